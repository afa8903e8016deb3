'use strict';

// Watching a prediction. Points are [row, column] in pixels of the image, from
// its top left corner; landmarks come before annotations.

const count = data.ids.length;
const total = data.names.length;
const floats = (text) => new Float32Array(bytesOf(text).buffer);
const points = floats(data.points);
const confidence = floats(data.confidence);
const video = $('video');
const image = $('image');
const marks = $('marks');
const pen = marks.getContext('2d');
const KEY = `eqlandmarks-watch-${data.name}-${total}`;
const SPEEDS = [1, 1 / 2, 1 / 4, 1 / 8, 1 / 16];
// What a marker's colour is filled from on.
const SURE = 0.5;
const TRAIL = 10;

let plays = Boolean(data.video);
// The rows that there are pictures of.
let rows = [];
let row = 0;
let chosen = null;
let playing = false;
let timer = null;
// Of the first frame, as the browser counts.
let base = 0;
const shown = new Set(data.names.keys());
const names = data.names.map(() => '');

const at = (n, p) => [points[2 * (n * total + p)], points[2 * (n * total + p) + 1]];
const sure = (n, p) => confidence[n * total + p];
const nameOf = (p) => names[p] || data.names[p];
const short = (p) => names[p] || (p < data.landmarks ? String(p) : data.names[p]);
const size = (n) => data.sizes[n];
// A frame's number, which is in its name too, or the name of an image.
const tag = (n) => (data.unit === 'frames' ? n : data.ids[n].split('/').at(-1));

// Frames.

function nearestRow(n) {
  let [low, high] = [0, rows.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle] < n) low = middle + 1;
    else high = middle;
  }
  return low > 0 && n - rows[low - 1] < rows[low] - n ? low - 1 : low;
}

// The frame that is shown at a time: the last one that has begun.
function rowAt(time) {
  const {times} = data.video;
  let [low, high] = [0, count - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (times[middle] + base <= time + 5e-4) low = middle;
    else high = middle - 1;
  }
  return low;
}

let wanted = null;

function seek(n) {
  const {times, fps} = data.video;
  // Its middle, so that no rounding shows the frame before.
  const end = n + 1 < count ? times[n + 1] : times[n] + 1 / fps;
  const time = base + (times[n] + end) / 2;
  wanted = n;
  if (!video.seeking) {
    video.currentTime = Math.min(time, video.duration || time);
  }
}

// Goes to a frame, or the nearest of which there is a picture.
function go(n) {
  const place = nearestRow(Math.min(Math.max(n, 0), count - 1));
  row = rows[place];
  if (plays) {
    seek(row);
  } else {
    image.src = data.pictures[row];
  }
  update();
}

function step(by) {
  stop();
  const place = nearestRow(row) + by;
  go(rows[Math.min(Math.max(place, 0), rows.length - 1)]);
}

function speed() {
  return SPEEDS[$('speed').selectedIndex];
}

function play() {
  if (playing) {
    stop();
    return;
  }
  playing = true;
  $('play').textContent = 'Stop';
  if (row === rows.at(-1)) go(rows[0]);
  if (plays) {
    video.playbackRate = speed();
    video.play().catch(() => stop());
  } else {
    tick();
  }
}

function tick() {
  if (!playing) return;
  const place = nearestRow(row);
  if (place === rows.length - 1) {
    stop();
    return;
  }
  go(rows[place + 1]);
  timer = setTimeout(tick, 100 / speed());
}

function stop() {
  if (!playing) return;
  playing = false;
  clearTimeout(timer);
  $('play').textContent = 'Play';
  if (plays) video.pause();
}

function startVideo() {
  const {src} = data.video;
  if (src.startsWith('data:')) {
    const [kind, content] = src.slice(5).split(';base64,');
    // A browser seeks in a blob, but not always in a long address.
    video.src = URL.createObjectURL(new Blob([bytesOf(content)], {type: kind}));
    data.video.src = '';
  } else {
    video.src = src;
  }
  video.addEventListener('error', () => fallBack());
  video.addEventListener('ended', stop);
  video.addEventListener('seeked', () => {
    const n = wanted;
    wanted = null;
    if (n !== null && n !== rowAt(video.currentTime) && !playing) seek(n);
    else marks.dataset.settled = row;
  });
  if (video.requestVideoFrameCallback) {
    let first = true;
    const onFrame = (_, {mediaTime}) => {
      if (first && video.currentTime === 0) base = mediaTime;
      first = false;
      if (playing) {
        row = rowAt(mediaTime);
        update();
      }
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
  } else {
    const onFrame = () => {
      if (playing) {
        row = rowAt(video.currentTime);
        update();
      }
      requestAnimationFrame(onFrame);
    };
    onFrame();
  }
}

// Pictures, where there is no video or the browser does not play it.
function fallBack() {
  if (!plays) return;
  stop();
  plays = false;
  $('unplayed').hidden = false;
  $('unplayed').textContent = 'This browser does not play the video, or it is '
    + `not where it was: the page shows pictures of ${
      Object.keys(data.pictures).length} of ${count} ${data.unit}.`;
  startRows();
  go(row);
}

function startRows() {
  rows = plays ? data.ids.map((_, n) => n)
    : Object.keys(data.pictures).map(Number).sort((a, b) => a - b);
  video.hidden = !plays;
  image.hidden = plays;
  $('slider').max = rows.length - 1;
}

// Drawing.

function fit(canvas) {
  const box = canvas.getBoundingClientRect();
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(box.width * ratio);
  canvas.height = Math.round(box.height * ratio);
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return [context, box.width, box.height];
}

function layOut() {
  const [height, width] = size(row);
  const most = Math.max(240, innerHeight * 0.65);
  const scale = Math.min($('room').clientWidth / width, most / height);
  $('stage').style.width = `${Math.floor(width * scale)}px`;
  $('stage').style.height = `${Math.floor(height * scale)}px`;
}

function drawMarks() {
  const [, boxWidth, boxHeight] = fit(marks);
  const [height, width] = size(row);
  const place = ([y, x]) => [x / width * boxWidth, y / height * boxHeight];
  if ($('trails').checked) drawTrails(place);
  for (const p of shown) {
    const [x, y] = place(at(row, p));
    const isChosen = p === chosen;
    const path = new Path2D();
    if (p < data.landmarks) {
      path.arc(x, y, isChosen ? 8 : 5, 0, 2 * Math.PI);
      pen.fillStyle = data.colours[p];
      if (sure(row, p) >= SURE) pen.fill(path);
    } else {
      const r = isChosen ? 11 : 8;
      path.moveTo(x - r, y);
      path.lineTo(x + r, y);
      path.moveTo(x, y - r);
      path.lineTo(x, y + r);
    }
    for (const [colour, thick] of [
      [isChosen ? '#fff' : '#000', isChosen ? 5 : 3.5], [data.colours[p], 2],
    ]) {
      pen.strokeStyle = colour;
      pen.lineWidth = thick;
      pen.stroke(path);
    }
    if ($('labels').checked || isChosen) drawName(short(p), x + 8, y - 5);
  }
}

function drawName(text, x, y) {
  pen.font = '12px system-ui, sans-serif';
  pen.lineWidth = 3;
  pen.strokeStyle = '#000';
  pen.strokeText(text, x, y);
  pen.fillStyle = '#fff';
  pen.fillText(text, x, y);
}

function drawTrails(place) {
  pen.lineWidth = 2;
  for (const p of shown) {
    pen.strokeStyle = data.colours[p];
    pen.beginPath();
    for (let n = Math.max(0, row - TRAIL); n <= row; n++) {
      pen.lineTo(...place(at(n, p)));
    }
    pen.stroke();
  }
}

// Over time.

const LEFT = 52;
let curves = [];

function meanConfidence(n) {
  let sum = 0;
  for (const p of shown) sum += sure(n, p);
  return shown.size ? sum / shown.size : 0;
}

function setCurves() {
  const series = (f) => Float32Array.from({length: count}, (_, n) => f(n));
  curves = chosen === null
    ? [['confidence', series(meanConfidence), [0, 1]]]
    : [
      ['row', series((n) => at(n, chosen)[0])],
      ['column', series((n) => at(n, chosen)[1])],
      ['confidence', series((n) => sure(n, chosen)), [0, 1]],
    ];
  for (const curve of curves) {
    if (curve[2]) continue;
    let [low, high] = [Infinity, -Infinity];
    for (const value of curve[1]) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    const margin = Math.max(1, (high - low) * 0.05);
    curve[2] = [low - margin, high + margin];
  }
  $('plots').classList.toggle('one', curves.length === 1);
  $('plot-title').textContent = chosen === null
    ? `Mean confidence of ${shown.size} points` : nameOf(chosen);
}

const plotX = (n, width) => LEFT + (width - LEFT - 8) * n / Math.max(1, count - 1);

function drawPlots() {
  const [context, width, height] = fit($('plots'));
  const style = getComputedStyle(root);
  const colour = (name) => style.getPropertyValue(name).trim();
  const room = height / curves.length;
  context.font = '11px system-ui, sans-serif';
  curves.forEach(([name, values, [low, high]], i) => {
    const top = i * room + 4;
    const bottom = (i + 1) * room - 6;
    const y = (value) => bottom - (bottom - top) * (value - low) / (high - low);
    context.strokeStyle = colour('--line');
    context.lineWidth = 1;
    context.strokeRect(LEFT, top, width - LEFT - 8, bottom - top);
    context.fillStyle = colour('--soft');
    context.textAlign = 'right';
    context.fillText(format(high), LEFT - 5, top + 9);
    context.fillText(format(low), LEFT - 5, bottom);
    context.fillText(name === 'confidence' ? 'conf.' : name, LEFT - 5, (top + bottom) / 2 + 4);
    context.strokeStyle = chosen === null ? colour('--accent') : data.colours[chosen];
    context.lineWidth = 1.5;
    context.beginPath();
    // Many frames share a pixel: the lowest and the highest of them.
    const perPixel = Math.max(1, Math.floor(count / (width - LEFT)));
    for (let n = 0; n < count; n += perPixel) {
      let [least, most] = [values[n], values[n]];
      for (let m = n; m < Math.min(count, n + perPixel); m++) {
        least = Math.min(least, values[m]);
        most = Math.max(most, values[m]);
      }
      context.lineTo(plotX(n, width), y(least));
      if (most > least) context.lineTo(plotX(n, width), y(most));
    }
    context.stroke();
    if (count === 1) context.strokeRect(plotX(0, width) - 2, y(values[0]) - 2, 4, 4);
  });
  context.strokeStyle = colour('--front');
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(plotX(row, width), 0);
  context.lineTo(plotX(row, width), height);
  context.stroke();
}

const format = (value) => (Math.abs(value) >= 100 ? value.toFixed(0)
  : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2));

// What stands beside the picture.

function update() {
  layOut();
  $('slider').value = nearestRow(row);
  const time = data.video ? `, ${data.video.times[row].toFixed(3)} s` : '';
  let text = `${data.ids[row]}, ${row + 1} of ${count}${time}`;
  if (chosen !== null) {
    const [y, x] = at(row, chosen);
    text += ` · ${nameOf(chosen)}: row ${y.toFixed(1)}, column ${x.toFixed(1)}, `
      + `confidence ${sure(row, chosen).toFixed(2)}`;
  }
  $('where').textContent = text;
  marks.dataset.row = row;
  drawMarks();
  drawPlots();
  for (const button of $('unsure').children) {
    button.setAttribute('aria-pressed', String(Number(button.dataset.row) === row));
  }
}

function choose(p) {
  chosen = chosen === p ? null : p;
  setCurves();
  showPoints();
  update();
}

function keep() {
  store.save(KEY, {names, shown: [...shown]});
}

function setShown(numbers) {
  shown.clear();
  // In their order, for the table.
  [...numbers].sort((a, b) => a - b).forEach((p) => shown.add(p));
  if (chosen !== null && !shown.has(chosen)) chosen = null;
  keep();
  setCurves();
  showPoints();
  update();
}

function buildPoints() {
  // Those with names from the start are what one looks for.
  const order = [...data.names.keys()];
  order.unshift(...order.splice(data.landmarks));
  $('points').append(...order.map((p) => {
    const name = data.names[p];
    const box = make('input', {
      type: 'checkbox', 'aria-label': `Show ${name}`,
      onchange: () => setShown(box.checked ? [...shown, p]
        : [...shown].filter((other) => other !== p)),
    });
    const swatch = make('span', {class: 'swatch'});
    swatch.style.background = data.colours[p];
    const input = make('input', {
      type: 'text', placeholder: name, 'aria-label': `Name of ${name}`,
      autocomplete: 'off', spellcheck: 'false',
      onchange: () => rename(p, input),
    });
    const number = p < data.landmarks ? String(p) : '+';
    return make('li', {'data-p': p}, box, make('button', {
      type: 'button', class: 'choose', title: `Choose ${name}`,
      'aria-label': `Choose ${name}`, onclick: () => choose(p),
    }, swatch, number), input);
  }));
}

function rename(p, input) {
  const name = input.value.trim();
  const others = data.names.map((_, q) => q).filter((q) => q !== p).map(nameOf);
  const fault = name ? nameFault(name, others) : '';
  if (fault) say(fault);
  else names[p] = name;
  keep();
  setCurves();
  showPoints();
  update();
}

function showPoints() {
  [...$('points').children].forEach((item) => {
    const p = Number(item.dataset.p);
    item.classList.toggle('off', !shown.has(p));
    item.querySelector('[type=checkbox]').checked = shown.has(p);
    item.querySelector('.choose').setAttribute('aria-pressed', String(p === chosen));
    item.querySelector('[type=text]').value = names[p];
  });
  $('download').textContent = `Download ${shown.size} points`;
  $('download').disabled = !shown.size;
}

function tableText() {
  const columns = [...shown];
  const head = columns.map(nameOf).flatMap(
    (name) => [`${name}_x`, `${name}_y`, `${name}_confidence`]);
  return csv([['path', ...head], ...data.ids.map((id, n) => [
    id, ...columns.flatMap((p) => {
      const [y, x] = at(n, p);
      // Files have the centre of the first pixel at 0.
      return [number(x - 0.5), number(y - 0.5), number(sure(n, p))];
    }),
  ])]);
}

function nextUnsure() {
  stop();
  const place = data.unsure.indexOf(row);
  go(data.unsure[(place + 1) % data.unsure.length]);
}

function startUnsure() {
  $('unsure-panel').hidden = !data.unsure.length;
  const landmarks = Array.from({length: data.landmarks}, (_, p) => p);
  $('unsure').append(...data.unsure.map((n) => {
    const mean = landmarks.reduce((sum, p) => sum + sure(n, p), 0) / landmarks.length;
    return make('button', {
      type: 'button', title: data.ids[n], 'data-row': n,
      onclick: () => { stop(); go(n); },
    }, `${tag(n)}: ${mean.toFixed(2)}`);
  }));
}

function startSpeeds() {
  const texts = SPEEDS.map((value) => (value === 1 ? '1' : `1/${1 / value}`));
  $('speed').append(...texts.map((text) => make('option', {}, text)));
  // What was filmed faster than a screen shows is slowed down.
  const fps = data.video ? data.video.fps : 0;
  const slow = SPEEDS.findIndex((value) => fps * value <= 32);
  $('speed').selectedIndex = slow < 0 ? SPEEDS.length - 1 : slow;
  $('speed').addEventListener('change', () => { video.playbackRate = speed(); });
}

function restore() {
  const kept = store.load(KEY);
  const isNumber = (p) => Number.isInteger(p) && p >= 0 && p < total;
  if (!kept || !Array.isArray(kept.names) || kept.names.length !== total
    || !Array.isArray(kept.shown) || !kept.shown.every(isNumber)) return;
  kept.names.forEach((name, p) => {
    if (typeof name !== 'string' || !name) return;
    const others = data.names.map((_, q) => q).filter((q) => q !== p).map(nameOf);
    if (!nameFault(name, others)) names[p] = name;
  });
  shown.clear();
  kept.shown.sort((a, b) => a - b).forEach((p) => shown.add(p));
}

marks.addEventListener('click', (event) => {
  const box = marks.getBoundingClientRect();
  const [height, width] = size(row);
  let found = null;
  let least = 16;
  for (const p of shown) {
    const [y, x] = at(row, p);
    const distance = Math.hypot(
      x / width * box.width - (event.clientX - box.left),
      y / height * box.height - (event.clientY - box.top));
    if (distance < least) [found, least] = [p, distance];
  }
  if (found !== null) choose(found);
});

let dragged = false;
function seekInPlot(event) {
  const box = $('plots').getBoundingClientRect();
  const share = (event.clientX - box.left - LEFT) / (box.width - LEFT - 8);
  go(Math.round(share * (count - 1)));
}
$('plots').addEventListener('pointerdown', (event) => {
  stop();
  dragged = true;
  $('plots').setPointerCapture(event.pointerId);
  seekInPlot(event);
});
$('plots').addEventListener('pointermove', (event) => { if (dragged) seekInPlot(event); });
$('plots').addEventListener('pointerup', () => { dragged = false; });
$('plots').addEventListener('pointercancel', () => { dragged = false; });

$('slider').addEventListener('input', () => {
  stop();
  go(rows[Number($('slider').value)]);
});
$('play').addEventListener('click', play);
$('back').addEventListener('click', () => step(-1));
$('on').addEventListener('click', () => step(1));
$('labels').addEventListener('change', update);
$('trails').addEventListener('change', update);
$('all').addEventListener('click', () => setShown(data.names.keys()));
$('none').addEventListener('click', () => setShown([]));
$('named').addEventListener('click', () => setShown(
  [...data.names.keys()].filter((p) => names[p] || p >= data.landmarks)));
$('next-unsure').addEventListener('click', nextUnsure);
$('download').addEventListener('click', () => download(
  `${data.name}-points.csv`, new Blob([tableText()], {type: 'text/csv'})));
addEventListener('resize', update);
addEventListener('themechange', drawPlots);

const keys = {
  ' ': play,
  ArrowLeft: (event) => step(event.shiftKey ? -10 : -1),
  ArrowRight: (event) => step(event.shiftKey ? 10 : 1),
  Home: () => { stop(); go(0); },
  End: () => { stop(); go(count - 1); },
  u: () => { if (data.unsure.length) nextUnsure(); },
};
document.addEventListener('keydown', (event) => {
  const {tagName, type} = event.target;
  const takesKeys = ['SELECT', 'SUMMARY'].includes(tagName) || type === 'text';
  if (takesKeys || event.ctrlKey || event.metaKey || event.altKey) return;
  // A button or box takes the space bar itself.
  if (event.key === ' ' && (tagName === 'BUTTON' || type === 'checkbox')) return;
  const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return;
  event.preventDefault();
  action(event);
});

startTheme();
startSpeeds();
startUnsure();
buildPoints();
restore();
showPoints();
setCurves();
if (plays) startVideo();
startRows();
go(0);
root.dataset.ready = 'true';
