'use strict';

// Ridge regression as eqlandmarks/regression.py has it: without a bias unless
// the config says so, each point on the frames that have it.

// Points of a frame as numbers, from those in pixels of its picture.
function encode(points, box, {origin, unit}) {
  const scale = unit === 'px' ? 128 : 1;
  const middle = origin === 'centre' ? 0.5 : 0;
  return points.flatMap(([row, column]) => [
    ((row - box[0]) / box[2] - middle) * scale,
    ((column - box[1]) / box[3] - middle) * scale,
  ]);
}

function decode([row, column], box, {origin, unit}) {
  const scale = unit === 'px' ? 128 : 1;
  const middle = origin === 'centre' ? 0.5 : 0;
  return [
    (row / scale + middle) * box[2] + box[0],
    (column / scale + middle) * box[3] + box[1],
  ];
}

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

// The solution of a positive definite system for several right-hand sides.
function solve(matrix, sides) {
  const n = matrix.length;
  const a = matrix.map((row, i) => [...row, ...sides[i]]);
  for (let i = 0; i < n; i++) {
    let pivot = i;
    for (let j = i + 1; j < n; j++) {
      if (Math.abs(a[j][i]) > Math.abs(a[pivot][i])) pivot = j;
    }
    [a[i], a[pivot]] = [a[pivot], a[i]];
    for (let j = 0; j < n; j++) {
      if (j === i) continue;
      const factor = a[j][i] / a[i][i];
      for (let k = i; k < a[j].length; k++) a[j][k] -= factor * a[i][k];
    }
  }
  return a.map((row, i) => row.slice(n).map((value) => value / row[i]));
}

// A function from the numbers of a frame to those of a point. There are far
// fewer frames than numbers, so it is solved in the space of the frames:
// y = k(x) (X X' + alpha I)^-1 Y.
function fitRidge(inputs, targets, {alpha, fit_intercept: bias}) {
  const mean = (rows) => rows[0].map((_, i) =>
    (bias ? rows.reduce((sum, row) => sum + row[i], 0) / rows.length : 0));
  const [centre, offset] = [mean(inputs), mean(targets)];
  const minus = (row, other) => row.map((value, i) => value - other[i]);
  const x = inputs.map((row) => minus(row, centre));
  const gram = x.map((row) => x.map((other) => dot(row, other)));
  const trace = gram.reduce((sum, row, i) => sum + row[i], 0);
  // Without alpha, frames that are alike have no unique solution.
  const ridge = Math.max(alpha, 1e-10 * trace, Number.MIN_VALUE);
  gram.forEach((row, i) => { row[i] += ridge; });
  const weights = solve(gram, targets.map((row) => minus(row, offset)));
  return (input) => {
    const kernel = x.map((row) => dot(row, minus(input, centre)));
    return offset.map((start, i) =>
      start + dot(kernel, weights.map((row) => row[i])));
  };
}
