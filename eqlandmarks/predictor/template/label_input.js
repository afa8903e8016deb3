'use strict';

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
      grip.before ??= snapshot();
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
    everyRow().forEach((row) => row.push(null));
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
if (isSound(kept)) restore(kept);
$('scorer').value = state.scorer;
startTheme();
go(state.current);
new ResizeObserver(() => { view = null; draw(); }).observe($('stage'));
root.dataset.ready = 'true';
