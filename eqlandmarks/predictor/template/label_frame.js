'use strict';

// The frame and the points on it, zoomed.

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
