'use strict';

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
