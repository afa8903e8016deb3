'use strict';

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
    everyRow().forEach((row) => row.splice(j, 1));
    active = Math.max(0, Math.min(active, state.names.length - 1));
  });
  say('Removed. Undo brings it back.');
}
