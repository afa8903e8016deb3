'use strict';

// A point over time: its row, column and confidence.

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
