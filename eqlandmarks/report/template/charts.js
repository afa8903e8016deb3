'use strict';

// Charts: lines in SVG, with the values under the pointer, zoom, and a legend
// whose names switch lines off.

const HEIGHT = 340;
const MARGIN = {left: 60, right: 12, top: 10, bottom: 46};
const DASHES = {dash: '9 7', dot: '2 4', dashdot: '9 5 2 5'};

const short = (value) => String(Number(value.toPrecision(4)));

function svgElement(name, attributes, parent) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) {
    node.setAttribute(key, value);
  }
  if (parent) parent.append(node);
  return node;
}

// Ticks within limits: [value, label].

function linearTicks([low, high], count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((n) => n * power >= rough) * power;
  const ticks = [];
  for (let n = Math.ceil(low / step - 1e-9); n <= high / step + 1e-9; n++) {
    ticks.push([n * step, short(n * step)]);
  }
  return ticks;
}

function logTicks([low, high]) {
  const ticks = [];
  const decades = Math.log10(high / low);
  const digits = decades > 4 ? [1] : decades > 1.5 ? [1, 2, 5]
    : [1, 2, 3, 4, 5, 6, 7, 8, 9];
  for (let n = Math.floor(Math.log10(low)); 10 ** n <= high; n++) {
    for (const digit of digits) {
      const value = digit * 10 ** n;
      if (value >= low && value <= high) ticks.push([value, short(value)]);
    }
  }
  return ticks.length > 1 ? ticks : linearTicks([low, high], 5);
}

class LineChart {
  constructor(chart, place) {
    this.chart = chart;
    this.off = new Set();
    this.first = {
      x: chart.xLimits ?? this.extent('x'), y: chart.yLimits ?? this.extent('y'),
    };
    this.limits = this.first;
    this.plot = document.createElement('div');
    this.plot.className = 'plot';
    this.tip = document.createElement('div');
    this.tip.className = 'tip';
    this.tip.hidden = true;
    this.legend = document.createElement('ul');
    this.legend.className = 'legend';
    this.legend.append(...chart.series.map((_, i) => this.legendItem(i)));
    place.append(this.plot, this.legend);
    new ResizeObserver(() => this.draw()).observe(this.plot);
    this.draw();
  }

  shown() {
    return this.chart.series.filter((_, i) => !this.off.has(i));
  }

  // The smallest and largest value of the lines that are shown.
  extent(axis) {
    const log = axis === 'x' ? this.chart.xLog : this.chart.yLog;
    let [low, high] = [Infinity, -Infinity];
    for (const line of this.shown()) {
      line[axis].forEach((value, i) => {
        if (value === null) return;
        const spread = axis === 'y' ? line.spread?.[i] ?? 0 : 0;
        for (const end of [value - spread, value + spread]) {
          if (log && end <= 0) continue;
          low = Math.min(low, end);
          high = Math.max(high, end);
        }
      });
    }
    if (low > high) return log ? [1, 10] : [0, 1];
    if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - 1, high + 1];
    const margin = axis === 'x' && !log ? 0 : 0.05;
    if (log) return [low * (low / high) ** margin, high * (high / low) ** margin];
    return [low - margin * (high - low), high + margin * (high - low)];
  }

  // From values to pixels, or back.
  scale(axis, back = false) {
    const {chart, limits, width} = this;
    const log = axis === 'x' ? chart.xLog : chart.yLog;
    const [low, high] = log ? limits[axis].map(Math.log10) : limits[axis];
    const [from, to] = axis === 'x'
      ? [MARGIN.left, width - MARGIN.right]
      : [HEIGHT - MARGIN.bottom, MARGIN.top];
    if (back) {
      return (pixel) => {
        const value = low + (pixel - from) / (to - from) * (high - low);
        return log ? 10 ** value : value;
      };
    }
    return (value) => {
      if (value === null || (log && value <= 0)) return null;
      const at = log ? Math.log10(value) : value;
      return from + (at - low) / (high - low) * (to - from);
    };
  }

  draw() {
    this.width = this.plot.clientWidth;
    if (this.width < 2 * MARGIN.left) return;
    this.svg = svgElement('svg', {
      width: this.width, height: HEIGHT, viewBox: `0 0 ${this.width} ${HEIGHT}`,
    });
    this.drawAxes();
    const clip = `clip-${this.chart.name}`;
    svgElement('rect', {
      x: MARGIN.left, y: MARGIN.top,
      width: this.width - MARGIN.left - MARGIN.right,
      height: HEIGHT - MARGIN.top - MARGIN.bottom,
    }, svgElement('clipPath', {id: clip}, this.svg));
    const lines = svgElement('g', {'clip-path': `url(#${clip})`}, this.svg);
    for (const line of this.shown()) this.drawLine(line, lines);
    this.cursor = svgElement('line', {
      class: 'cursor', y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom,
    }, this.svg);
    this.box = svgElement('rect', {class: 'zoom'}, this.svg);
    this.plot.replaceChildren(this.svg, this.tip);
    this.listen();
  }

  drawAxes() {
    const {chart, width} = this;
    const [x, y] = [this.scale('x'), this.scale('y')];
    const text = (content, attributes) =>
      svgElement('text', attributes, this.svg).textContent = content;
    const [bottom, right] = [HEIGHT - MARGIN.bottom, width - MARGIN.right];
    const zoomed = this.limits.x !== this.first.x;
    const measured = new Set(chart.series.flatMap((line) => line.x));
    const xTicks = chart.xLog && !zoomed
      ? [...measured].filter((value) => value > 0).sort((a, b) => a - b)
        .map((value) => [value, short(value)])
      : (chart.xLog ? logTicks : linearTicks)(this.limits.x, width / 90);
    let end = -Infinity;
    for (const [value, label] of xTicks) {
      const at = x(value);
      svgElement('path', {class: 'grid', d: `M${at} ${MARGIN.top}V${bottom}`}, this.svg);
      // Names that would run into each other are left out.
      if (at - 4 * label.length < end) continue;
      end = at + 4 * label.length + 4;
      text(label, {x: at, y: bottom + 16, 'text-anchor': 'middle'});
    }
    for (const [value, label] of
      (chart.yLog ? logTicks : linearTicks)(this.limits.y, 6)) {
      const at = y(value);
      svgElement('path', {class: 'grid', d: `M${MARGIN.left} ${at}H${right}`}, this.svg);
      text(label, {x: MARGIN.left - 6, y: at + 4, 'text-anchor': 'end'});
    }
    text(chart.xLabel, {
      class: 'axis', x: (MARGIN.left + right) / 2, y: HEIGHT - 8,
      'text-anchor': 'middle',
    });
    text(chart.yLabel, {
      class: 'axis', 'text-anchor': 'middle',
      transform: `translate(14 ${(MARGIN.top + bottom) / 2}) rotate(-90)`,
    });
  }

  drawLine(line, parent) {
    const [x, y] = [this.scale('x'), this.scale('y')];
    const at = (value, i) => {
      const [column, row] = [x(line.x[i]), y(value)];
      return column === null || row === null ? null : [column, row];
    };
    if (line.spread) {
      const edge = (sign) => line.y.map((value, i) =>
        value === null ? null : at(value + sign * line.spread[i], i));
      const outline = [...edge(1), ...edge(-1).reverse()].filter(Boolean);
      svgElement('path', {
        class: 'band', fill: line.colour, d: `M${outline.join('L')}Z`,
      }, parent);
    }
    let path = '';
    let pen = 'M';  // a value that is missing leaves a gap
    line.y.forEach((value, i) => {
      const point = at(value, i);
      path += point ? `${pen}${point}` : '';
      pen = point ? 'L' : 'M';
      if (point && this.chart.xLog) {
        svgElement('circle', {
          cx: point[0], cy: point[1], r: 3, fill: line.colour,
        }, parent);
      }
    });
    svgElement('path', {
      class: 'line', d: path || 'M0 0', stroke: line.colour,
      'stroke-dasharray': DASHES[line.dash] ?? 'none',
    }, parent);
  }

  // The pointer: values, and zoom.

  listen() {
    let start = null;
    const place = (event) => {
      const bounds = this.svg.getBoundingClientRect();
      return [event.clientX - bounds.left, event.clientY - bounds.top];
    };
    this.svg.addEventListener('pointerdown', (event) => {
      if (event.pointerType !== 'mouse' || event.button) return;
      start = place(event);
      this.svg.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    this.svg.addEventListener('pointermove', (event) => {
      if (start) this.drawBox(start, place(event)); else this.showValues(place(event));
    });
    this.svg.addEventListener('pointerup', (event) => {
      const [from, to] = [start, place(event)];
      start = null;
      if (from) this.zoom(from, to);
    });
    this.svg.addEventListener('pointerleave', () => this.hideValues());
    this.svg.addEventListener('dblclick', () => {
      const all = {x: this.extent('x'), y: this.extent('y')};
      this.limits = this.limits === this.first ? all : this.first;
      this.draw();
    });
  }

  drawBox([x0, y0], [x1, y1]) {
    this.hideValues();
    const box = {
      x: Math.min(x0, x1), y: Math.min(y0, y1),
      width: Math.abs(x1 - x0), height: Math.abs(y1 - y0),
    };
    for (const [key, value] of Object.entries(box)) {
      this.box.setAttribute(key, value);
    }
  }

  zoom([x0, y0], [x1, y1]) {
    // A box that is nearly a line zooms along it alone.
    const wide = Math.abs(x1 - x0) > 8;
    const high = Math.abs(y1 - y0) > 8;
    if (!wide && !high) return;
    const sorted = (a, b) => (a < b ? [a, b] : [b, a]);
    const [x, y] = [this.scale('x', true), this.scale('y', true)];
    this.limits = {
      x: wide ? sorted(x(x0), x(x1)) : this.limits.x,
      y: high ? sorted(y(y0), y(y1)) : this.limits.y,
    };
    this.draw();
  }

  showValues([column, row]) {
    const x = this.scale('x');
    const points = this.shown().flatMap((line) =>
      line.x.filter((value, i) => value !== null && line.y[i] !== null));
    const within = points.filter((value) =>
      value >= this.limits.x[0] && value <= this.limits.x[1]);
    if (!within.length) return;
    const nearest = within.reduce((a, b) =>
      (Math.abs(x(b) - column) < Math.abs(x(a) - column) ? b : a));
    const rows = this.shown().flatMap((line) => {
      const i = line.x.indexOf(nearest);
      if (i < 0 || line.y[i] === null) return [];
      const spread = line.spread?.[i] ? ` ± ${short(line.spread[i])}` : '';
      return [[line, `${line.label}: ${short(line.y[i])}${spread}`]];
    });
    const head = document.createElement('b');
    head.textContent = short(nearest);
    this.tip.replaceChildren(head, ...rows.map(([line, content]) => {
      const item = document.createElement('div');
      item.append(swatchOf(line), ' ', content);
      return item;
    }));
    this.tip.hidden = false;
    const at = x(nearest);
    const left = at > this.width / 2 ? at - this.tip.offsetWidth - 12 : at + 12;
    this.tip.style.left = `${Math.max(0, left)}px`;
    this.tip.style.top = `${Math.max(0, Math.min(row, HEIGHT - this.tip.offsetHeight))}px`;
    this.cursor.setAttribute('x1', at);
    this.cursor.setAttribute('x2', at);
    this.cursor.style.visibility = 'visible';
  }

  hideValues() {
    this.tip.hidden = true;
    this.cursor.style.visibility = 'hidden';
  }

  legendItem(i) {
    const item = document.createElement('li');
    const button = document.createElement('button');
    const line = this.chart.series[i];
    button.type = 'button';
    button.append(swatchOf(line), ' ', line.label);
    button.addEventListener('click', () => {
      if (this.off.has(i)) this.off.delete(i); else this.off.add(i);
      this.switch();
    });
    button.addEventListener('dblclick', () => {
      const others = this.chart.series.map((_, j) => j).filter((j) => j !== i);
      const alone = others.every((j) => this.off.has(j));
      this.off = new Set(alone ? [] : others);
      this.switch();
    });
    button.setAttribute('aria-pressed', true);
    item.append(button);
    return item;
  }

  switch() {
    [...this.legend.children].forEach((item, i) =>
      item.firstChild.setAttribute('aria-pressed', !this.off.has(i)));
    this.draw();
  }
}

function swatchOf(line) {
  const svg = svgElement('svg', {class: 'dash', width: 26, height: 8});
  svgElement('path', {
    d: 'M0 4H26', stroke: line.colour, 'stroke-width': 2.5,
    'stroke-dasharray': DASHES[line.dash] ?? 'none',
  }, svg);
  return svg;
}

for (const chart of JSON.parse(
  document.getElementById('charts-data').textContent)) {
  new LineChart(chart, document.getElementById(`chart-${chart.name}`));
}
