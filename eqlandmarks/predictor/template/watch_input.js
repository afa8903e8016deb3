'use strict';

// Mouse and keys, and the start of the page.

marks.addEventListener('click', (event) => {
  const box = marks.getBoundingClientRect();
  const [height, width] = size(row);
  let found = null;
  let least = 16;
  for (const p of shown) {
    const [y, x] = at(row, p);
    const distance = Math.hypot(
      x / width * box.width - (event.clientX - box.left),
      y / height * box.height - (event.clientY - box.top));
    if (distance < least) [found, least] = [p, distance];
  }
  if (found !== null) choose(found);
});

let dragged = false;
function seekInPlot(event) {
  const box = $('plots').getBoundingClientRect();
  const share = (event.clientX - box.left - LEFT) / (box.width - LEFT - 8);
  go(Math.round(share * (count - 1)));
}
$('plots').addEventListener('pointerdown', (event) => {
  stop();
  dragged = true;
  $('plots').setPointerCapture(event.pointerId);
  seekInPlot(event);
});
$('plots').addEventListener('pointermove', (event) => { if (dragged) seekInPlot(event); });
$('plots').addEventListener('pointerup', () => { dragged = false; });
$('plots').addEventListener('pointercancel', () => { dragged = false; });

$('slider').addEventListener('input', () => {
  stop();
  go(rows[Number($('slider').value)]);
});
$('play').addEventListener('click', play);
$('back').addEventListener('click', () => step(-1));
$('on').addEventListener('click', () => step(1));
$('labels').addEventListener('change', update);
$('trails').addEventListener('change', update);
$('all').addEventListener('click', () => setShown(data.names.keys()));
$('none').addEventListener('click', () => setShown([]));
$('named').addEventListener('click', () => setShown(
  [...data.names.keys()].filter((p) => names[p] || p >= data.landmarks)));
$('next-unsure').addEventListener('click', nextUnsure);
$('download').addEventListener('click', () => download(
  `${data.name}-points.csv`, new Blob([tableText()], {type: 'text/csv'})));
addEventListener('resize', update);
addEventListener('themechange', drawPlots);

const keys = {
  ' ': play,
  ArrowLeft: (event) => step(event.shiftKey ? -10 : -1),
  ArrowRight: (event) => step(event.shiftKey ? 10 : 1),
  Home: () => { stop(); go(0); },
  End: () => { stop(); go(count - 1); },
  u: () => { if (data.unsure.length) nextUnsure(); },
};
document.addEventListener('keydown', (event) => {
  const {tagName, type} = event.target;
  const takesKeys = ['SELECT', 'SUMMARY'].includes(tagName) || type === 'text';
  if (takesKeys || event.ctrlKey || event.metaKey || event.altKey) return;
  // A button or box takes the space bar itself.
  if (event.key === ' ' && (tagName === 'BUTTON' || type === 'checkbox')) return;
  const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return;
  event.preventDefault();
  action(event);
});

startTheme();
startSpeeds();
startUnsure();
buildPoints();
restore();
showPoints();
setCurves();
if (plays) startVideo();
startRows();
go(0);
root.dataset.ready = 'true';
