'use strict';

// The table, and the folder for DeepLabCut.

const labelled = () => frames.map((_, i) => i)
  .filter((i) => state.points[i].some(Boolean));
// The numbers of the points that any frame has.
const used = () => state.names.map((_, j) => j).filter((j) => having(j).length);

// Rows of labelled frames: x and y with the centre of a pixel at 0.
function tableRows(name, missing) {
  const columns = used();
  return labelled().map((i, n) => [
    name(frames[i]),
    ...columns.map((j) => state.points[i][j]).flatMap((point) => (point
      ? [number(point[1] - 0.5), number(point[0] - 0.5)]
      : Array(2).fill(n ? '' : missing))),
  ]);
}

function tableText() {
  const names = used().map((j) => state.names[j]);
  const head = names.flatMap((name) => [`${name}_x`, `${name}_y`]);
  return csv([['path', ...head], ...tableRows((frame) => frame.id, '')]);
}

// As eqlandmarks/formats/deeplabcut.py writes it.
function collected(scorer) {
  const both = (values) => values.flatMap((value) => [value, value]);
  const names = used().map((j) => state.names[j]);
  return csv([
    ['scorer', ...both(names.map(() => scorer))],
    ['bodyparts', ...both(names)],
    ['coords', ...names.flatMap(() => ['x', 'y'])],
    // pandas takes a first row without any number for a header.
    ...tableRows((frame) => frame.png, 'nan'),
  ]);
}

async function pngOf(i) {
  const [kind, content] = frames[i].src.split(',');
  if (kind.includes('image/png')) return bytesOf(content);
  const image = picture(i);
  await image.decode();
  const {width, height} = frames[i];
  const whole = make('canvas', {width, height});
  whole.getContext('2d').drawImage(image, 0, 0);
  const blob = await new Promise((done) => whole.toBlob(done, 'image/png'));
  return new Uint8Array(await blob.arrayBuffer());
}

async function project() {
  const scorer = state.scorer.trim() || 'me';
  const files = [[
    `labeled-data/${data.folder}/CollectedData_${scorer}.csv`,
    new TextEncoder().encode(collected(scorer)),
  ]];
  for (const i of labelled()) files.push([frames[i].png, await pngOf(i)]);
  download(`${data.name}-deeplabcut.zip`, zip(files));
}
