'use strict';

// Clicking named points on frames. A point of a frame is null (not yet), false
// (missing), or [row, column] in pixels of the frame, from its top left corner.

const frames = data.frames;
const pictures = frames.map(() => null);
const canvas = $('canvas');
const pen = canvas.getContext('2d');
const KEY = `eqlandmarks-label-${data.key}`;
// Frames with a point before it is guessed.
const LEAST = 3;

let state = fresh();
let active = 0;
let undone = [];
let view = null;
let guesses = [];

function fresh() {
  return {
    names: [...data.names],
    points: frames.map(() => data.names.map(() => null)),
    current: 0,
    scorer: 'me',
  };
}

function isSound(kept) {
  const place = (p) => p === null || p === false || (Array.isArray(p)
    && p.length === 2 && p.every(Number.isFinite));
  return kept && Array.isArray(kept.names) && Array.isArray(kept.points)
    && kept.names.every((name) => typeof name === 'string')
    && kept.points.length === frames.length
    && kept.points.every((row) => Array.isArray(row)
      && row.length === kept.names.length && row.every(place))
    && frames[kept.current] && typeof kept.scorer === 'string';
}

function save() {
  const kept = store.save(KEY, state);
  $('saved').textContent = kept ? 'Kept in this browser: a reload loses nothing.'
    : 'This browser keeps nothing for this page: download before you close it.';
}

// Changes, which can be undone.

function change(edit) {
  undone.push(JSON.stringify({names: state.names, points: state.points}));
  if (undone.length > 500) undone.shift();
  edit();
  changed();
}

function undo() {
  if (!undone.length) return;
  Object.assign(state, JSON.parse(undone.pop()));
  active = Math.max(0, Math.min(active, state.names.length - 1));
  changed();
}

function changed() {
  save();
  guess();
  show();
}

const here = () => state.points[state.current];

function place(j, point) {
  change(() => { here()[j] = point; });
}

function advance() {
  const count = state.names.length;
  for (let step = 1; step <= count; step++) {
    const j = (active + step) % count;
    if (here()[j] === null) {
      active = j;
      break;
    }
  }
  show();
}

function put(point) {
  if (!state.names.length) {
    say('Name a point first.');
    $('name').focus();
    return;
  }
  place(active, point);
  advance();
}

function go(number) {
  if (!frames[number]) return;
  state.current = number;
  const open = here().indexOf(null);
  active = open < 0 ? Math.min(active, Math.max(0, state.names.length - 1)) : open;
  view = null;
  changed();
  const strip = $('strip');
  const {offsetLeft, offsetWidth} = strip.children[number];
  strip.scrollLeft = offsetLeft - strip.offsetLeft
    - (strip.clientWidth - offsetWidth) / 2;
}

// The guess: the ridge of the config, on the frames that have a point.

function having(j) {
  return frames.map((_, i) => i).filter((i) => state.points[i][j]);
}

function fitted(j, rows) {
  const inputs = rows.map((i) =>
    encode(frames[i].landmarks, frames[i].box, data.regression));
  const targets = rows.map((i) =>
    encode([state.points[i][j]], frames[i].box, data.regression));
  const predict = fitRidge(inputs, targets, data.regression);
  return (i) => {
    const {landmarks, box} = frames[i];
    const numbers = predict(encode(landmarks, box, data.regression));
    return decode(numbers, box, data.regression);
  };
}

function guess() {
  guesses = state.names.map((_, j) => {
    const rows = having(j);
    if (rows.length < LEAST) return null;
    const errors = rows.map((i) => {
      const [row, column] = fitted(j, rows.filter((other) => other !== i))(i);
      const [y, x] = state.points[i][j];
      return Math.hypot(row - y, column - x);
    });
    return {
      at: fitted(j, rows)(state.current),
      count: rows.length,
      error: errors.reduce((sum, error) => sum + error, 0) / rows.length,
    };
  });
}

function takeGuess() {
  if (guesses[active] && !here()[active]) put(guesses[active].at);
}

// Drawing.

function colour(j) {
  return `hsl(${Math.round(j * 222.5) % 360} 95% 60%)`;
}

function wholeView() {
  const {width, height} = frames[state.current];
  const box = canvas.getBoundingClientRect();
  const scale = Math.min(box.width / width, box.height / height);
  return {
    scale,
    x: (box.width - width * scale) / 2,
    y: (box.height - height * scale) / 2,
  };
}

function zoom(factor, x, y) {
  const least = wholeView();
  const scale = Math.min(Math.max(view.scale * factor, least.scale), 64);
  if (scale === least.scale) {
    view = least;
  } else {
    const ratio = scale / view.scale;
    view = {scale, x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio};
  }
  draw();
}

function zoomMiddle(factor) {
  const box = canvas.getBoundingClientRect();
  zoom(factor, box.width / 2, box.height / 2);
}

const toScreen = ([row, column]) =>
  [view.x + column * view.scale, view.y + row * view.scale];
const toFrame = (x, y) => [(y - view.y) / view.scale, (x - view.x) / view.scale];

function inFrame([row, column]) {
  const {width, height} = frames[state.current];
  return row >= 0 && row <= height && column >= 0 && column <= width;
}

function picture(i) {
  if (!pictures[i]) {
    pictures[i] = new Image();
    pictures[i].onload = () => { if (i === state.current) draw(); };
    pictures[i].src = frames[i].src;
  }
  return pictures[i];
}

function draw() {
  const box = canvas.getBoundingClientRect();
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(box.width * ratio);
  canvas.height = Math.round(box.height * ratio);
  view ??= wholeView();
  canvas.dataset.scale = view.scale;
  canvas.dataset.x = view.x;
  canvas.dataset.y = view.y;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  const {width, height} = frames[state.current];
  const image = picture(state.current);
  pen.imageSmoothingEnabled = view.scale < 3;
  if (image.complete && image.naturalWidth) {
    pen.drawImage(image, view.x, view.y, width * view.scale, height * view.scale);
  }
  state.names.forEach((name, j) => {
    const point = here()[j];
    if (point) drawCross(toScreen(point), colour(j), name, j === active);
    else if (point === null && guesses[j]) {
      drawGuess(toScreen(guesses[j].at), colour(j), name, j === active);
    }
  });
}

function line(path, stroke, width) {
  pen.strokeStyle = stroke;
  pen.lineWidth = width;
  pen.stroke(path);
}

function drawCross([x, y], stroke, name, isActive) {
  const r = isActive ? 11 : 8;
  const path = new Path2D(
    `M${x - r} ${y}H${x - 2}M${x + 2} ${y}H${x + r}`
    + `M${x} ${y - r}V${y - 2}M${x} ${y + 2}V${y + r}`);
  line(path, '#000', 4);
  line(path, stroke, 2);
  drawName(name, x + 8, y - 6);
}

function drawGuess([x, y], stroke, name, isActive) {
  const path = new Path2D();
  path.arc(x, y, isActive ? 9 : 6, 0, 2 * Math.PI);
  line(path, '#000', 4);
  pen.setLineDash([3, 3]);
  line(path, stroke, 2);
  pen.setLineDash([]);
  drawName(`${name}?`, x + 10, y - 6);
}

function drawName(name, x, y) {
  pen.font = '12px system-ui, sans-serif';
  pen.lineWidth = 3;
  pen.strokeStyle = '#000';
  const text = name.length > 24 ? `${name.slice(0, 23)}…` : name;
  pen.strokeText(text, x, y);
  pen.fillStyle = '#fff';
  pen.fillText(text, x, y);
}

// What stands beside the frame.

function show() {
  const i = state.current;
  const frame = frames[i];
  $('where').textContent =
    `Frame ${i + 1} of ${frames.length}: ${frame.id}, confidence ${frame.confidence}`;
  $('previous').disabled = i === 0;
  $('next').disabled = i === frames.length - 1;
  $('undo').disabled = !undone.length;
  const named = state.names.length > 0;
  $('missing').disabled = !named;
  $('take').disabled = !(guesses[active] && !here()[active]);
  const any = state.points.some((row) => row.some(Boolean));
  $('table').disabled = $('project').disabled = !any;
  const open = here().includes(null);
  $('next').classList.toggle('main', named && !open);
  $('ask').textContent = !named ? 'Type the name of a point, such as nose.'
    : open ? `Click ${state.names[active]}.`
      : i < frames.length - 1 ? 'All points are there. On to the next frame.'
        : 'All points are there.';
  showPoints();
  showQuality();
  showStrip();
  draw();
}

function showPoints() {
  const focused = document.activeElement?.dataset?.focus;
  $('points').replaceChildren(...state.names.map((name, j) => {
    const point = here()[j];
    const status = point ? 'there' : point === false ? 'missing'
      : guesses[j] ? 'guessed' : 'to click';
    const swatch = make('span', {class: 'swatch'});
    swatch.style.background = colour(j);
    const small = (text, title, onclick) => make('button', {
      type: 'button', class: 'small', title: `${title} ${name}`,
      'aria-label': `${title} ${name}`, onclick, 'data-focus': `${title}${j}`,
    }, text);
    return make('li', {},
      make('button', {
        type: 'button', class: 'choose', 'aria-pressed': String(j === active),
        title: name, 'data-focus': `choose${j}`,
        onclick: () => { active = j; show(); },
      }, swatch, make('b', {}, name), make('i', {}, status)),
      small('✎', 'Rename', () => rename(j)),
      small('×', 'Remove', () => remove(j)));
  }));
  if (focused) document.querySelector(`[data-focus="${focused}"]`)?.focus();
}

function showQuality() {
  const known = guesses.filter(Boolean);
  const most = Math.max(0, ...state.names.map((_, j) => having(j).length));
  if (!known.length) {
    $('quality').textContent =
      `Points are guessed once ${LEAST} frames have them (so far ${most}).`;
    return;
  }
  const error = known.reduce((sum, g) => sum + g.error, 0) / known.length;
  const counts = known.map((g) => g.count);
  $('quality').textContent =
    `Frames that it has not seen are guessed ${error.toFixed(1)} px off, from `
    + `${Math.min(...counts)} to ${Math.max(...counts)} frames each.`;
  $('quality').dataset.error = error;
}

function showStrip() {
  if (!$('strip').children.length) {
    $('strip').append(...frames.map((frame, i) => make('button', {
      type: 'button', title: frame.id, onclick: () => go(i),
    }, make('img', {src: frame.src, alt: '', loading: 'lazy'}), make('span'))));
  }
  [...$('strip').children].forEach((button, i) => {
    const set = state.points[i].filter((point) => point !== null).length;
    const done = set > 0 && set === state.names.length;
    button.setAttribute('aria-current', String(i === state.current));
    button.setAttribute(
      'aria-label', `Frame ${i + 1}, ${set} of ${state.names.length} points`);
    button.classList.toggle('done', done);
    button.querySelector('span').textContent =
      done ? `${i + 1} ✓` : set ? `${i + 1}: ${set}` : String(i + 1);
  });
}

function accepted(name, others) {
  const fault = nameFault(name, others);
  if (fault) say(fault);
  return !fault;
}

function rename(j) {
  const name = prompt('Its name:', state.names[j])?.trim();
  if (name === undefined || name === state.names[j]) return;
  if (accepted(name, state.names)) change(() => { state.names[j] = name; });
}

function remove(j) {
  change(() => {
    state.names.splice(j, 1);
    state.points.forEach((row) => row.splice(j, 1));
    active = Math.max(0, Math.min(active, state.names.length - 1));
  });
  say('Removed. Undo brings it back.');
}

// Downloads.

const labelled = () => frames.map((_, i) => i)
  .filter((i) => state.points[i].some(Boolean));
// The numbers of the points that any frame has.
const used = () => state.names.map((_, j) => j).filter((j) => having(j).length);

// Rows of labelled frames: x and y with the centre of a pixel at 0.
function tableRows(name, missing) {
  const columns = used();
  return labelled().map((i, n) => [
    name(frames[i]),
    ...columns.map((j) => state.points[i][j]).flatMap((point) => (point
      ? [number(point[1] - 0.5), number(point[0] - 0.5)]
      : Array(2).fill(n ? '' : missing))),
  ]);
}

function tableText() {
  const names = used().map((j) => state.names[j]);
  const head = names.flatMap((name) => [`${name}_x`, `${name}_y`]);
  return csv([['path', ...head], ...tableRows((frame) => frame.id, '')]);
}

// As eqlandmarks/formats/deeplabcut.py writes it.
function collected(scorer) {
  const both = (values) => values.flatMap((value) => [value, value]);
  const names = used().map((j) => state.names[j]);
  return csv([
    ['scorer', ...both(names.map(() => scorer))],
    ['bodyparts', ...both(names)],
    ['coords', ...names.flatMap(() => ['x', 'y'])],
    // pandas takes a first row without any number for a header.
    ...tableRows((frame) => frame.png, 'nan'),
  ]);
}

async function pngOf(i) {
  const [kind, content] = frames[i].src.split(',');
  if (kind.includes('image/png')) return bytesOf(content);
  const image = picture(i);
  await image.decode();
  const {width, height} = frames[i];
  const whole = make('canvas', {width, height});
  whole.getContext('2d').drawImage(image, 0, 0);
  const blob = await new Promise((done) => whole.toBlob(done, 'image/png'));
  return new Uint8Array(await blob.arrayBuffer());
}

async function project() {
  const scorer = state.scorer.trim() || 'me';
  const files = [[
    `labeled-data/${data.folder}/CollectedData_${scorer}.csv`,
    new TextEncoder().encode(collected(scorer)),
  ]];
  for (const i of labelled()) files.push([frames[i].png, await pngOf(i)]);
  download(`${data.name}-deeplabcut.zip`, zip(files));
}

// Mouse, fingers and keys.

const pointers = new Map();
let grip = null;

function local(event) {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function nearest(x, y) {
  let found = -1;
  let least = 12;
  here().forEach((point, j) => {
    if (!point) return;
    const [px, py] = toScreen(point);
    const distance = Math.hypot(px - x, py - y);
    if (distance < least) [found, least] = [j, distance];
  });
  return found;
}

canvas.addEventListener('pointerdown', (event) => {
  canvas.setPointerCapture(event.pointerId);
  const [x, y] = local(event);
  pointers.set(event.pointerId, [x, y]);
  if (pointers.size > 1) {
    grip = {pinch: true};
    return;
  }
  grip = {x, y, moved: false, j: event.button === 0 ? nearest(x, y) : -1,
    places: event.button === 0, before: null};
});

canvas.addEventListener('pointermove', (event) => {
  const old = pointers.get(event.pointerId);
  if (!old || !grip) return;
  const [x, y] = local(event);
  if (grip.pinch) {
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const span = ([a, b]) => Math.hypot(a - other[0], b - other[1]) || 1;
      zoom(span([x, y]) / span(old), other[0], other[1]);
    }
  } else {
    grip.moved ||= Math.hypot(x - grip.x, y - grip.y) > 4;
    if (grip.moved && grip.j >= 0) {
      grip.before ??= JSON.stringify({names: state.names, points: state.points});
      const point = toFrame(x, y);
      if (inFrame(point)) here()[grip.j] = point;
      active = grip.j;
      draw();
    } else if (grip.moved) {
      view.x += x - old[0];
      view.y += y - old[1];
      draw();
    }
  }
  pointers.set(event.pointerId, [x, y]);
});

function release(event) {
  const held = grip;
  pointers.delete(event.pointerId);
  if (pointers.size) return;
  grip = null;
  if (!held || held.pinch || event.type === 'pointercancel') return;
  if (held.before) {
    undone.push(held.before);
    changed();
  } else if (!held.moved && held.places) {
    const point = toFrame(...local(event));
    if (inFrame(point)) put(point);
  }
}
canvas.addEventListener('pointerup', release);
canvas.addEventListener('pointercancel', release);
canvas.addEventListener('contextmenu', (event) => event.preventDefault());
canvas.addEventListener('wheel', (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...local(event));
}, {passive: false});

function nudge(rows, columns) {
  if (!state.names.length) return;
  const {width, height} = frames[state.current];
  const [row, column] = here()[active] || guesses[active]?.at
    || [height / 2, width / 2];
  place(active, [
    Math.min(Math.max(row + rows, 0), height),
    Math.min(Math.max(column + columns, 0), width),
  ]);
}

const keys = {
  m: () => put(false),
  g: takeGuess,
  u: undo,
  n: () => go(state.current + 1),
  Enter: () => go(state.current + 1),
  p: () => go(state.current - 1),
  Delete: () => { if (state.names.length) place(active, null); },
  '+': () => zoomMiddle(1.5),
  '=': () => zoomMiddle(1.5),
  '-': () => zoomMiddle(1 / 1.5),
  0: () => { view = null; draw(); },
};
const arrows = {
  ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
};

document.addEventListener('keydown', (event) => {
  const tag = event.target.tagName;
  if (tag === 'INPUT') {
    if (event.key === 'Escape') event.target.blur();
    return;
  }
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z') {
    event.preventDefault();
    undo();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'Enter' && (tag === 'BUTTON' || tag === 'SUMMARY')) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const digit = /^[1-9]$/.test(key) ? Number(key) : 0;
  if (digit && digit <= state.names.length) {
    active = digit - 1;
    show();
  } else if (arrows[key]) {
    event.preventDefault();
    nudge(...arrows[key].map((value) => value * (event.shiftKey ? 10 : 1)));
  } else if (keys[key]) {
    event.preventDefault();
    keys[key]();
  }
});

$('add').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = $('name').value.trim();
  if (!accepted(name, state.names)) return;
  change(() => {
    state.names.push(name);
    state.points.forEach((row) => row.push(null));
    const open = here().indexOf(null);
    active = open < 0 ? 0 : open;
  });
  $('name').value = '';
});
$('previous').addEventListener('click', keys.p);
$('next').addEventListener('click', keys.n);
$('undo').addEventListener('click', undo);
$('missing').addEventListener('click', keys.m);
$('take').addEventListener('click', takeGuess);
$('in').addEventListener('click', keys['+']);
$('out').addEventListener('click', keys['-']);
$('whole').addEventListener('click', keys[0]);
$('table').addEventListener('click', () => download(
  'points.csv', new Blob([tableText()], {type: 'text/csv'})));
$('project').addEventListener('click', project);
$('scorer').addEventListener('input', () => {
  // It is a part of a file's name.
  $('scorer').value = $('scorer').value.replace(/[^\p{L}\p{N}_-]/gu, '');
  state.scorer = $('scorer').value;
  save();
});
$('restart').addEventListener('click', () => {
  if (confirm('Forget all names and clicks?')) {
    change(() => { state = fresh(); });
    go(0);
  }
});

const kept = store.load(KEY);
if (isSound(kept)) state = kept;
$('scorer').value = state.scorer;
startTheme();
go(state.current);
new ResizeObserver(() => { view = null; draw(); }).observe($('stage'));
root.dataset.ready = 'true';
