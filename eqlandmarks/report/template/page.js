'use strict';

const root = document.documentElement;
const view = JSON.parse(document.getElementById('viewers-data').textContent);

function say(text) {
  const said = document.getElementById('said');
  said.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { said.textContent = ''; }, 2000);
}

// Light and dark: the reader's choice, otherwise the system's.

const dark = matchMedia('(prefers-color-scheme: dark)');

function setTheme(name) {
  root.dataset.theme = name;
}

// Tables: copying and sorting.

function cells(table) {
  return [...table.rows].map((row) => [...row.cells].map((cell) =>
    (cell.dataset.text ?? cell.textContent).trim()));
}

function markdown([head, ...body]) {
  const line = (row) =>
    '| ' + row.map((c) => c.replaceAll('|', '\\|')).join(' | ') + ' |';
  const rule = head.map((_, i) => (i ? '---:' : '---'));
  return [line(head), '|' + rule.join('|') + '|', ...body.map(line)].join('\n');
}

function csv(rows) {
  const quote = (c) => (/[",\n]/.test(c) ? `"${c.replaceAll('"', '""')}"` : c);
  return rows.map((row) => row.map(quote).join(',')).join('\n');
}

function latex([head, ...body]) {
  const special = {
    '\\': '\\textbackslash{}', '~': '\\textasciitilde{}',
    '^': '\\textasciicircum{}', '±': '$\\pm$', '–': '--',
  };
  const escape = (c) =>
    c.replace(/[\\~^±–&%$#_{}]/g, (s) => special[s] ?? '\\' + s);
  const line = (row) => '  ' + row.map(escape).join(' & ') + ' \\\\';
  return [
    `\\begin{tabular}{l${'r'.repeat(head.length - 1)}}`, '  \\toprule',
    line(head), '  \\midrule', ...body.map(line), '  \\bottomrule',
    '\\end{tabular}',
  ].join('\n');
}

const forms = {Markdown: markdown, CSV: csv, LaTeX: latex};

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Not every browser lets a page opened from disk use the clipboard.
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
}

for (const figure of document.querySelectorAll('figure.table')) {
  for (const button of figure.querySelectorAll('[data-form]')) {
    button.addEventListener('click', async () => {
      const rows = cells(figure.querySelector('table'));
      const text = forms[button.dataset.form](rows);
      button.dataset.copied = text;
      await copy(text);
      say(`Copied as ${button.dataset.form}.`);
      button.focus();
    });
  }
}

function sortBy(table, column) {
  const head = table.tHead.rows[0].cells;
  const up = head[column].getAttribute('aria-sort') !== 'ascending';
  for (const cell of head) cell.removeAttribute('aria-sort');
  head[column].setAttribute('aria-sort', up ? 'ascending' : 'descending');
  const value = (row) => {
    const cell = row.cells[column];
    const number = parseFloat(cell.dataset.text ?? cell.textContent);
    return Number.isNaN(number) ? Infinity : number;
  };
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => (value(a) - value(b)) * (up ? 1 : -1));
  table.tBodies[0].append(...rows);
}

// Images with marks over them.

function picture(uri, label) {
  const svg = svgElement('svg', {
    viewBox: `0 0 ${view.size} ${view.size}`, role: 'img', 'aria-label': label,
  });
  svgElement('image', {href: uri, width: view.size, height: view.size}, svg);
  return svg;
}

function figureOf(label, ...pictures) {
  const figure = document.createElement('figure');
  const box = document.createElement('div');
  if (pictures.length > 1) box.className = 'two';
  box.append(...pictures);
  const caption = document.createElement('figcaption');
  caption.textContent = caption.title = label;
  figure.append(box, caption);
  return figure;
}

function pointColour(j) {
  return `hsl(${Math.round(360 * j / view.pointNames.length)} 95% 60%)`;
}

function drawPoint(svg, kind, point, j) {
  if (!point || point.some((value) => value === null)) return;
  const [row, column] = point;
  const unit = view.size / 64;
  const style = {
    stroke: pointColour(j), 'stroke-width': 0.9 * unit, fill: 'none',
  };
  const r = 2 * unit;
  const shape = kind === 'o'
    ? svgElement('circle', {cx: column, cy: row, r, ...style}, svg)
    : svgElement('path', {
      d: `M${column - r} ${row}h${2 * r}M${column} ${row - r}v${2 * r}`, ...style,
    }, svg);
  svgElement('title', {}, shape).textContent = view.pointNames[j];
}

// Landmarks.

const off = new Set();
let pinned = null;

function mark(k) {
  const sheet = document.getElementById('sheet');
  const shown = k ?? pinned;
  sheet.classList.toggle('focused', shown !== null);
  for (const node of sheet.querySelectorAll('.mark')) {
    node.classList.toggle('on', Number(node.dataset.k) === shown);
  }
  for (const row of document.querySelectorAll('.landmark-table tr[data-k]')) {
    row.classList.toggle('on', Number(row.dataset.k) === shown);
    row.querySelector('button.row').setAttribute(
      'aria-pressed', Number(row.dataset.k) === pinned);
  }
}

function pin(k) {
  pinned = pinned === k ? null : k;
  mark(null);
}

function applySwitches() {
  for (const node of document.querySelectorAll('#sheet .mark')) {
    node.classList.toggle('off', off.has(Number(node.dataset.k)));
  }
  for (const row of document.querySelectorAll('.landmark-table tr[data-k]')) {
    const dim = off.has(Number(row.dataset.k));
    row.setAttribute('aria-disabled', dim);
    row.querySelector('input').checked = !dim;
  }
}

function drawLandmarks(method) {
  const sheet = document.getElementById('sheet');
  sheet.replaceChildren(...method.landmarks.map((landmarks, i) => {
    const svg = picture(view.images[i], `Landmarks of ${method.ids[i]}`);
    landmarks.forEach(([row, column], k) => {
      const dot = svgElement('circle', {
        class: 'mark', 'data-k': k, cx: column, cy: row, r: view.size / 40,
        fill: view.colours[k], 'stroke-width': view.size / 160,
      }, svg);
      svgElement('title', {}, dot).textContent = `landmark ${k}`;
      dot.addEventListener('pointerenter', () => mark(k));
      dot.addEventListener('pointerleave', () => mark(null));
      dot.addEventListener('click', () => pin(k));
    });
    return figureOf(method.ids[i], svg);
  }));
  applySwitches();
  mark(null);
}

function dressRow(row) {
  const k = Number(row.cells[0].textContent);
  row.dataset.k = k;
  const name = row.cells[0];
  name.dataset.text = String(k);
  const box = document.createElement('input');
  box.type = 'checkbox';
  box.checked = true;
  box.setAttribute('aria-label', `show landmark ${k}`);
  box.addEventListener('change', () => {
    if (box.checked) off.delete(k); else off.add(k);
    applySwitches();
  });
  const swatch = document.createElement('span');
  swatch.className = 'swatch';
  swatch.style.background = view.colours[k];
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'row';
  button.textContent = String(k);
  button.setAttribute('aria-label', `mark landmark ${k} in all images`);
  button.addEventListener('click', () => pin(k));
  button.addEventListener('focus', () => mark(k));
  button.addEventListener('blur', () => mark(null));
  row.addEventListener('pointerenter', () => mark(k));
  row.addEventListener('pointerleave', () => mark(null));
  name.replaceChildren(box, ' ', swatch, ' ', button);
}

function dressTable(table) {
  [...table.tBodies[0].rows].forEach((row, rank) => {
    row.dataset.rank = rank;
    dressRow(row);
  });
  [...table.tHead.rows[0].cells].forEach((cell, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'sort';
    button.textContent = cell.textContent.trim();
    button.addEventListener('click', () => sortBy(table, column));
    cell.replaceChildren(button);
  });
}

function onChange(id, draw) {
  const select = document.getElementById(id);
  if (!select) return;
  select.addEventListener('change', draw);
  draw();
}

function chosen(id) {
  return view.methods[document.getElementById(id).value];
}

function startLandmarks() {
  for (const table of document.querySelectorAll('.landmark-table table')) {
    dressTable(table);
  }
  const best = document.getElementById('best');
  const count = document.getElementById('best-count');
  // By reliability, however the table is sorted at the moment.
  const ranked = () => {
    const rows = [...document.querySelectorAll(
      '.landmark-table:not([hidden]) tr[data-k]')];
    rows.sort((a, b) => a.dataset.rank - b.dataset.rank);
    return rows.map((row) => Number(row.dataset.k));
  };
  const show = (number) => {
    off.clear();
    ranked().slice(number).forEach((k) => off.add(k));
    best.value = number;
    count.textContent = number;
    applySwitches();
  };
  onChange('method', () => {
    const select = document.getElementById('method');
    for (const part of document.querySelectorAll('.landmark-table')) {
      part.hidden = part.dataset.method !== select.value;
    }
    // Landmark 3 of one method has nothing to do with that of another.
    pinned = null;
    drawLandmarks(chosen('method'));
    show(Number(best.value));
  });
  best.addEventListener('input', () => show(Number(best.value)));
  document.getElementById('all-on').addEventListener(
    'click', () => show(ranked().length));
  document.getElementById('all-off').addEventListener('click', () => show(0));
}

// Warped pairs and predictions.

function drawPairs() {
  const method = chosen('pair-method');
  const layer = Number(document.getElementById('pair-layer').value) - 1;
  const sheet = document.getElementById('pair-sheet');
  sheet.replaceChildren(...method.pairIds.map((id, i) => {
    const first = picture(view.pairImages[i], `${id}, annotated`);
    const second = picture(method.pairWarped[i], `${id}, warped`);
    method.pairPoints[i].forEach((p, j) => drawPoint(first, '+', p, j));
    method.pairTruth[i].forEach((p, j) => {
      drawPoint(second, '+', p, j);
      const there = p.every((value) => value !== null);
      if (there) drawPoint(second, 'o', method.pairFound[i][layer][j], j);
    });
    return figureOf(id, first, second);
  }));
}

function drawPredictions() {
  const method = chosen('prediction-method');
  const sheet = document.getElementById('prediction-sheet');
  sheet.replaceChildren(...method.ids.map((id, i) => {
    const svg = picture(view.images[i], `${id}, predicted`);
    method.points[i].forEach((p, j) => drawPoint(svg, '+', p, j));
    method.predicted[i].forEach((p, j) => drawPoint(svg, 'o', p, j));
    return figureOf(id, svg);
  }));
}

function startPoints() {
  if (!document.getElementById('pair-sheet')) return;
  onChange('pair-method', drawPairs);
  onChange('pair-layer', drawPairs);
  onChange('prediction-method', drawPredictions);
  document.getElementById('point-legend').replaceChildren(
    ...view.pointNames.map((name, j) => {
      const item = document.createElement('li');
      const swatch = document.createElement('span');
      swatch.className = 'swatch';
      swatch.style.background = pointColour(j);
      item.append(swatch, ' ', name);
      return item;
    }));
}

setTheme(dark.matches ? 'dark' : 'light');
dark.addEventListener('change', () => setTheme(dark.matches ? 'dark' : 'light'));
document.getElementById('theme').addEventListener('click', () =>
  setTheme(root.dataset.theme === 'dark' ? 'light' : 'dark'));
if (view.methods.length) {
  startLandmarks();
  startPoints();
}
root.dataset.ready = 'true';
