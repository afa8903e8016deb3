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
