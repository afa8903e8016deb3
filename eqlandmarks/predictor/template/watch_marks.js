'use strict';

// The marks over the picture.

function fit(canvas) {
  const box = canvas.getBoundingClientRect();
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(box.width * ratio);
  canvas.height = Math.round(box.height * ratio);
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return [context, box.width, box.height];
}

function layOut() {
  const [height, width] = size(row);
  const most = Math.max(240, innerHeight * 0.65);
  const scale = Math.min($('room').clientWidth / width, most / height);
  $('stage').style.width = `${Math.floor(width * scale)}px`;
  $('stage').style.height = `${Math.floor(height * scale)}px`;
}

function drawMarks() {
  const [, boxWidth, boxHeight] = fit(marks);
  const [height, width] = size(row);
  const place = ([y, x]) => [x / width * boxWidth, y / height * boxHeight];
  if ($('trails').checked) drawTrails(place);
  for (const p of shown) {
    const [x, y] = place(at(row, p));
    const isChosen = p === chosen;
    const path = new Path2D();
    if (p < data.landmarks) {
      path.arc(x, y, isChosen ? 8 : 5, 0, 2 * Math.PI);
      pen.fillStyle = data.colours[p];
      if (sure(row, p) >= SURE) pen.fill(path);
    } else {
      const r = isChosen ? 11 : 8;
      path.moveTo(x - r, y);
      path.lineTo(x + r, y);
      path.moveTo(x, y - r);
      path.lineTo(x, y + r);
    }
    for (const [colour, thick] of [
      [isChosen ? '#fff' : '#000', isChosen ? 5 : 3.5], [data.colours[p], 2],
    ]) {
      pen.strokeStyle = colour;
      pen.lineWidth = thick;
      pen.stroke(path);
    }
    if ($('labels').checked || isChosen) drawName(short(p), x + 8, y - 5);
  }
}

function drawName(text, x, y) {
  pen.font = '12px system-ui, sans-serif';
  pen.lineWidth = 3;
  pen.strokeStyle = '#000';
  pen.strokeText(text, x, y);
  pen.fillStyle = '#fff';
  pen.fillText(text, x, y);
}

function drawTrails(place) {
  pen.lineWidth = 2;
  for (const p of shown) {
    pen.strokeStyle = data.colours[p];
    pen.beginPath();
    for (let n = Math.max(0, row - TRAIL); n <= row; n++) {
      pen.lineTo(...place(at(n, p)));
    }
    pen.stroke();
  }
}
