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
    others: {},
    current: 0,
    scorer: 'me',
  };
}

// Rows of points by the names of frames, those of other pages of these images
// among them: a page of more frames, or by another run, begins where one was.
function isSound(kept) {
  const place = (p) => p === null || p === false || (Array.isArray(p)
    && p.length === 2 && p.every(Number.isFinite));
  return kept && Array.isArray(kept.names) && kept.rows
    && kept.names.every((name) => typeof name === 'string')
    && Object.values(kept.rows).every((row) => Array.isArray(row)
      && row.length === kept.names.length && row.every(place))
    && typeof kept.scorer === 'string';
}

function restore(kept) {
  const others = {...kept.rows};
  for (const {id} of frames) delete others[id];
  const current = frames.findIndex(({id}) => id === kept.current);
  state = {
    names: kept.names,
    points: frames.map(({id}) => kept.rows[id] ?? kept.names.map(() => null)),
    others,
    current: Math.max(0, current),
    scorer: kept.scorer,
  };
}

function save() {
  const rows = {...state.others};
  frames.forEach(({id}, i) => { rows[id] = state.points[i]; });
  const kept = store.save(KEY, {
    names: state.names, rows, current: frames[state.current].id,
    scorer: state.scorer,
  });
  $('saved').textContent = kept ? 'Kept in this browser: a reload loses nothing.'
    : 'This browser keeps nothing for this page: download before you close it.';
}

// Changes, which can be undone.

function snapshot() {
  const {names, points, others} = state;
  return JSON.stringify({names, points, others});
}

const everyRow = () => [...state.points, ...Object.values(state.others)];

function change(edit) {
  undone.push(snapshot());
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
