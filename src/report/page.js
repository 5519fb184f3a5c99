// Draws the report's figures with uPlot from the JSON in #data, and wires the controls. All text of the runs is set as text,
// never as HTML. The tables of the page don't depend on this script.
(() => {
'use strict';

let { runs, groups } = JSON.parse(document.getElementById('data').textContent);
const { meanOf, statistics, countText, reaches, svgOf } = tacetSeries;
const byId = (id) => document.getElementById(id);

const AXES = {
  epoch: { name: 'epoch', label: 'epoch' },
  seconds: { name: 'seconds', label: 'training time (s)' },
  iteration: { name: 'iterations', label: 'iterations per worker' },
  communications: { name: 'communications', label: 'communications' },
};
const SCORES = {
  eval_perplexity: { name: 'perplexity', unit: '' },
  eval_bleu: { name: 'BLEU', unit: '', higher: true },
  eval_accuracy: { name: 'accuracy', unit: '%', higher: true },
  eval_top5_accuracy: { name: 'top-5 accuracy', unit: '%', higher: true },
  eval_loss: { name: 'loss', unit: 'nats' },
  eval_gradient_norm: { name: 'gradient norm', unit: 'ℓ2' },
};
const COLOURS = 7;
const PALE = 4;  // with more runs than this, the pale lines would hide the others
const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3], [15, 4]];

const has = (source, key) => runs.some((run) => key in run[source]);
let axes, scores, longest, groupOf, repeated, parameters;

// Looks what there is to show. Groups hold runs that differ in their seed only; parameters are numbers by which groups differ.
function survey() {
  axes = Object.keys(AXES).filter((key) => ['rounds', 'epochs', 'evals'].some((source) => has(source, key)));
  scores = Object.keys(SCORES).filter((key) => has('evals', key));
  longest = Math.max(0, ...runs.map((run) => run.rounds.lines));
  groupOf = runs.map((_, k) => groups.findIndex((group) => group.runs.includes(k)));
  repeated = groups.some((group) => group.runs.length > 1);
  parameters = [...new Set(groups.flatMap((group) => Object.keys(group.settings)))].filter((key) =>
    new Set(groups.map((group) => group.settings[key]).filter((value) => typeof value === 'number')).size > 1);
}
survey();

const state = {
  mode: repeated ? 'mean' : 'runs', xlog: false, target: {}, parameter: parameters[0], final: scores.length ? 'score' : 'train', finalLog: null,
  x: axes[0] || 'epoch', smooth: longest > 200 ? '0.01' : '0', theme: 'auto', hidden: new Set(),
  each: runs.every((run) => run.rounds.lines === 0) ? 'epochs' : 'rounds', score: scores[0] || 'eval_loss',
  log: { train: false, eval_perplexity: true, eval_loss: false, eval_gradient_norm: true, norm: true },
};
let things = thingsOf();  // what lines stand for
let charts = [];   // the uPlot objects on the page
let active = null; // the one that the reader points at; only it shows values
let zoom = null;   // [min, max] of x, or null for all

// Runs, or the means of groups, in the order of their colours.
function thingsOf() {
  if (state.mode === 'runs') return runs.map((run, k) => ({ name: run.name, runs: [k] }));
  return groups.map((group) => ({ name: group.runs.length > 1 ? meanName(group.label, `${group.runs.length}`) : runs[group.runs[0]].name, label: group.label, runs: group.runs }));
}

// The name of a mean over so many runs.
function meanName(label, count) {
  return `${label} (n = ${count})`;
}

// The name of a line in a picture: that of its thing, with the number of runs that are in its mean.
function lineName(line) {
  const thing = things[line.run];
  return thing.runs.length > 1 ? meanName(thing.label, countText(line.least, line.most)) : thing.name;
}

// -- small helpers -----------------------------------------------------------------------------------------------------------

function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key in node) node[key] = value; else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

const colour = (run) => getComputedStyle(document.documentElement).getPropertyValue(`--c${run % COLOURS}`).trim();
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// A short line in the run's colour and style.
function keyLine(run) {
  const make = (tag) => document.createElementNS('http://www.w3.org/2000/svg', tag);
  const svg = make('svg'), line = make('line');
  svg.setAttribute('viewBox', '0 0 26 10');
  svg.setAttribute('aria-hidden', 'true');
  for (const [key, value] of Object.entries({ x1: 0, x2: 26, y1: 5, y2: 5, 'stroke-width': 2.2 })) line.setAttribute(key, value);
  line.style.stroke = `var(--c${run % COLOURS})`;
  line.setAttribute('stroke-dasharray', DASHES[run % DASHES.length].join(' '));
  svg.append(line);
  return svg;
}
// A name that loses its middle where room is short: runs often differ at the end of their names.
function nameBox(name) {
  const letters = [...name], tail = Math.min(14, Math.floor(letters.length / 2));
  const cut = letters.length - tail;
  return element('span', { className: 'name' }, element('span', {}, letters.slice(0, cut).join('')), element('span', {}, letters.slice(cut).join('')));
}
const keyBox = (run) => element('i', { className: 'key' }, keyLine(run));

// A group of radio buttons shown as one strip; arrow keys move in it, as in every radio group.
function choice(name, legend, options, value, change) {
  const group = element('fieldset', {}, element('legend', { className: 'hidden' }, legend || name));
  if (legend) group.append(element('span', { className: 'legend', 'aria-hidden': 'true' }, legend));
  for (const [key, label] of options) {
    const input = element('input', { type: 'radio', name, value: key, checked: key === value });
    input.addEventListener('change', () => change(key));
    group.append(element('label', {}, input, label));
  }
  return group;
}

function tidy(value, digits = 4) {
  if (value == null || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e9)) return value.toExponential(2);
  if (size >= 1000) return value.toLocaleString('en', { maximumFractionDigits: size >= 1e5 ? 0 : 1 });
  return String(Number(value.toPrecision(digits)));
}

function tick(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e12)) return value.toExponential(0).replace('e+', 'e');
  for (const [unit, letter] of [[1e9, 'G'], [1e6, 'M'], [1e4, 'k']]) {
    if (size >= unit) return `${Number((value / (letter === 'k' ? 1e3 : unit)).toPrecision(4))}${letter}`;
  }
  return String(Number(value.toPrecision(4)));
}

// -- series ------------------------------------------------------------------------------------------------------------------

// One run's points in order of x: no x twice (the last one stays), null where y is a gap.
function points(table, xKey, yKey, scale, positive) {
  const from = state.xlog ? Number.MIN_VALUE : -Infinity;
  const xs = table[xKey], ys = table[yKey];
  if (!xs || !ys) return { xs: [], ys: [] };
  const order = [...xs.keys()].filter((k) => xs[k] !== null && xs[k] >= from).sort((a, b) => xs[a] - xs[b] || a - b);
  const out = { xs: [], ys: [] };
  for (const k of order) {
    const y = ys[k] === null || (positive && ys[k] <= 0) ? null : ys[k] * scale;
    if (out.xs.length && out.xs[out.xs.length - 1] === xs[k]) out.ys[out.ys.length - 1] = y;
    else { out.xs.push(xs[k]); out.ys.push(y); }
  }
  return out;
}

// Centred mean over a window of the given share of all points; gaps stay and don't count.
function smoothed(ys, share) {
  const half = Math.floor(ys.length * share / 2);
  if (half < 1) return ys;
  const sum = [0], count = [0];
  ys.forEach((y, k) => { sum.push(sum[k] + (y === null ? 0 : y)); count.push(count[k] + (y === null ? 0 : 1)); });
  return ys.map((y, k) => {
    const reach = Math.min(half, k, ys.length - 1 - k);
    return y === null ? null : (sum[k + reach + 1] - sum[k - reach]) / (count[k + reach + 1] - count[k - reach]);
  });
}

// -- scales ------------------------------------------------------------------------------------------------------------------

function logSplits(min, max) {
  const decades = Math.log10(max / min);
  const steps = decades > 4 ? [1] : decades > 1.6 ? [1, 2, 5] : decades > 1 ? [1, 2, 3, 5] : decades > 0.5 ? [1, 1.5, 2, 3, 5, 7] : null;
  if (!steps) return linearSplits(min, max, 5);
  const every = decades > 8 ? Math.ceil(decades / 8) : 1, out = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); ++power) {
    if (power % every !== 0) continue;
    for (const step of steps) {
      const value = Number((step * 10 ** power).toPrecision(3));
      if (value >= min && value <= max) out.push(value);
    }
  }
  return out;
}

function linearSplits(min, max, wanted) {
  const raw = (max - min) / wanted, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
  const out = [];
  for (let k = Math.ceil(min / step); k * step <= max + step * 1e-9; ++k) out.push(Number((k * step).toPrecision(12)));
  return out;
}

// Tells whether two ends make no range: means of equal numbers differ in their last digits.
function same(min, max) {
  return max - min <= 1e-9 * Math.max(Math.abs(min), Math.abs(max));
}

function yRange(figure, min, max) {
  if (figure.range) return figure.range;
  if (min == null || max == null || !Number.isFinite(min) || !Number.isFinite(max)) return figure.log ? [1, 10] : [0, 1];
  if (figure.log) {
    const pad = same(min, max) ? 1.02 : Math.max(1.02, (max / min) ** 0.04);
    return [min / pad, max * pad];
  }
  const pad = same(min, max) ? Math.abs(max) * 0.05 || 1 : (max - min) * 0.05;
  return [min >= 0 ? Math.max(0, min - pad) : min - pad, max + pad];
}

// -- figures -----------------------------------------------------------------------------------------------------------------

function figures() {
  const score = SCORES[state.score];
  const sets = new Set(runs.filter((run) => run.evals.lines).map((run) => run.split));
  const set = sets.has('exact') ? 'Exact' : sets.has('test') && !sets.has('valid') ? 'Test' : 'Validation';
  const nats = sets.has('exact') ? '' : 'nats';  // a function's values have no unit
  const unit = state.score === 'eval_loss' ? nats : score.unit, ofTraining = nats && ' (nats)';
  const smooth = Number(state.smooth), perRound = state.each === 'rounds';
  const shown = things.length - state.hidden.size;
  const means = state.mode === 'mean' ? ' Runs that differ in their seed only are one line: their mean, with a band of one standard deviation on both sides.' : '';
  const pale = smooth > 0 ? ` Lines are centred means over ${smooth * 100}\u00a0% of a run${shown <= PALE ? '; a pale line is the value itself' : ''}.` : '';
  const more = pale + means;
  const mixed = sets.size > 1 ? ' A run without validation set is evaluated on the test set.' : '';
  const averaged = runs.some((run) => run.averaged) ? ' Where an average of the model was evaluated too, it is shown.' : '';
  const accuracy = SCORES[state.score].unit === '%';
  return [
    { id: 'train', title: 'Training loss', unit: nats, source: state.each, key: 'train_loss', smooth: perRound ? smooth : 0,
      targets: true, log: state.log.train, logChoice: true, eachChoice: has('rounds', 'train_loss') && has('epochs', 'train_loss'),
      caption: perRound ? `Training loss${ofTraining}, mean over each round.${more}` : `Training loss${ofTraining}, mean over each epoch.${means}` },
    { id: 'valid', title: `${set} ${score.name}`, unit, source: 'evals', key: state.score, smooth: 0, targets: true, higher: score.higher, scoreChoice: scores.length > 1,
      log: !accuracy && state.log[state.score], logChoice: !accuracy, logKey: state.score, factor: accuracy ? 100 : 1,
      caption: `${set} ${score.name}${unit ? ` (${unit})` : ''} at each evaluation; ${score.higher ? 'higher' : 'lower'} is better.${averaged}${mixed}${means}` },
    { id: 'clip', title: 'Clipped share', unit: '% of local steps', source: 'rounds', key: 'clipped_fraction', smooth, factor: 100, range: [-2, 102],
      caption: `Share of a round's local steps whose gradient was clipped (%).${more}` },
    { id: 'norm', title: 'Gradient norm', unit: 'ℓ2', source: 'rounds', key: 'gradient_norm', smooth, log: state.log.norm, logChoice: true,
      caption: `ℓ2 norm of the stochastic gradient, mean over each round.${more}` },
    ...(has('rounds', 'noise_trace') ? [
      { id: 'noise', title: 'Gradient noise', unit: 'trace of a covariance', source: 'rounds', key: 'noise_trace', smooth,
        caption: `Trace S of a sample's covariance, estimated in each round.${more}` },
      { id: 'square', title: 'Squared gradient', unit: '', source: 'rounds', key: 'noise_gradient_square', smooth,
        caption: `Square |G|² of the true gradient's norm, estimated in each round.${more}` },
    ] : []),
  ];
}

// The data of a figure as CSV: every counter and the value, a row a point. Names are quoted.
function csv(figure) {
  const counters = ['round', 'epoch', 'seconds', 'iteration', 'communications'];
  const rows = [['run', ...counters, figure.key].join(',')];
  for (const run of runs) {
    const table = run[figure.source], values = table[figure.key] || [];
    const name = `"${run.name.replaceAll('"', '""')}"`;
    values.forEach((value, k) => rows.push([name, ...counters.map((c) => (table[c] ? table[c][k] : null) ?? ''), value ?? ''].join(',')));
  }
  return rows.join('\n') + '\n';
}

function download(name, blob) {
  const href = URL.createObjectURL(blob);
  element('a', { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}

// Draws the SVG on a canvas, at twice its size.
function downloadPng(name, svg) {
  const image = new Image();
  image.addEventListener('load', () => {
    const canvas = element('canvas', { width: image.width * 2, height: image.height * 2 });
    canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => download(name, blob), 'image/png');
  });
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
}

// Buttons for the data of a figure and its picture. `svg` returns the picture, or null where nothing is drawn.
function downloads(name, data, svg) {
  const button = (text, act) => {
    const node = element('button', { type: 'button', className: 'text-button' }, text);
    node.addEventListener('click', act);
    return node;
  };
  const picture = (use) => () => { const text = svg(); if (text) use(text); };
  return element('span', { className: 'downloads' },
    button('Data (CSV)', () => download(`${name}.csv`, new Blob([data()], { type: 'text/csv' }))),
    button('SVG', picture((text) => download(`${name}.svg`, new Blob([text], { type: 'image/svg+xml' })))),
    button('PNG', picture((text) => downloadPng(`${name}.png`, text))));
}

const colours = () => ({ paper: css('--paper'), ink: css('--ink'), soft: css('--soft'), rule: css('--rule') });
const marksOf = (min, max, log, wanted) => (log ? logSplits(min, max) : linearSplits(min, max, wanted)).map((value) => [value, tick(value)]);

// The picture of a figure as it is shown, zoom and scales included.
function pictureOf(figure) {
  const u = charts.find((chart) => chart.figure.id === figure.id);
  if (!u) return null;
  const { x, y } = u.scales;
  return svgOf({
    title: figure.title, xLabel: AXES[state.x].label, yLabel: `${figure.title}${figure.unit ? ` (${figure.unit})` : ''}`, colours: colours(),
    x: { min: x.min, max: x.max, log: state.xlog, marks: marksOf(x.min, x.max, state.xlog, 6) },
    y: { min: y.min, max: y.max, log: figure.log, marks: figure.range ? [0, 25, 50, 75, 100].map((v) => [v, tick(v)]) : marksOf(y.min, y.max, figure.log, 5) },
    lines: u.lines.filter((line) => !line.pale && !line.edge).map((line) => ({ ...line, name: lineName(line), colour: colour(line.run),
      dash: DASHES[line.run % DASHES.length], dots: line.xs.length <= 60 })),
    target: state.target[figure.id] ?? null,
  });
}

// A field for a target of the figure's values.
function targetField(figure) {
  const field = element('input', { type: 'number', name: `target-${figure.id}`, step: 'any', className: 'target', value: state.target[figure.id] ?? '' });
  field.addEventListener('change', () => {
    state.target[figure.id] = field.value === '' ? null : Number(field.value);
    draw();
  });
  return element('label', { className: 'target' }, 'target', field);
}

// A sentence on the lines that reach the target.
function targetText(figure) {
  const target = state.target[figure.id] ?? null;
  if (target === null) return '';
  const lines = figure.lines.filter((line) => !line.pale && !line.edge);
  const found = lines.map((line) => ({ line, x: reaches(line, target, figure.higher) })).filter(({ x }) => x !== null).sort((a, b) => a.x - b.x);
  const first = found.length ? `: ${found.slice(0, 3).map(({ line, x }) => `${things[line.run].name} at ${AXES[state.x].name} ${tidy(x)}`).join('; ')}` : '';
  return ` ${found.length} of ${lines.length} lines reach ${target}${first}.`;
}

// A sentence on means that are not of all their runs.
function meansText(figure) {
  if (!figure.told.length) return '';
  return ` ${figure.told.slice(0, 3).join('; ')}${figure.told.length > 3 ? `; and ${figure.told.length - 3} more` : ''}.`;
}

function toolsOf(figure) {
  const tools = element('div', { className: 'figure-tools' });
  if (!has(figure.source, figure.key)) return tools;
  if (figure.targets) tools.append(targetField(figure));
  if (figure.scoreChoice) {
    tools.append(choice('score', '', scores.map((key) => [key, SCORES[key].name]), state.score, (key) => { state.score = key; draw(); }));
  }
  if (figure.eachChoice) {
    tools.append(choice('each', '', [['rounds', 'per round'], ['epochs', 'per epoch']], state.each, (key) => { state.each = key; draw(); }));
  }
  if (figure.logChoice) {
    tools.append(choice(`scale-${figure.id}`, '', [['linear', 'linear'], ['log', 'log']], figure.log ? 'log' : 'linear', (key) => {
      state.log[figure.logKey || figure.id] = key === 'log';
      draw();
    }));
  }
  return tools;
}

function shell(figure) {
  const title = element('h3', {}, figure.title, ' ');
  if (figure.unit) title.append(element('span', { className: 'unit' }, figure.unit));
  const body = element('div', { className: 'plot' });
  const caption = element('figcaption', {}, figure.caption, targetText(figure), meansText(figure), ' ', downloads(figure.key, () => csv(figure), () => pictureOf(figure)));
  const node = element('figure', { id: `figure-${figure.id}` }, element('div', { className: 'figure-head' }, title, toolsOf(figure)), body, caption);
  return { node, body };
}

// The points of one thing: a run's, or the mean of a group's with its band. `told` gets a line where a mean is not of all runs, or not
// as long as they are.
function lineOf(figure, thing, told) {
  const all = thing.runs.map((k) => points(runs[k][figure.source], state.x, figure.key, figure.factor || 1, figure.log));
  const some = all.filter((line) => line.ys.some((y) => y !== null));
  if (some.length && some.length < all.length) told.push(`${thing.name}: ${some.length} of ${all.length} runs have these values`);
  if (some.length < 2) return some.length ? { raw: some[0], ys: smoothed(some[0].ys, figure.smooth), least: 1, most: 1 } : null;
  const mean = meanOf(some.map((line) => ({ xs: line.xs, ys: smoothed(line.ys, figure.smooth) })));
  const last = Math.max(...some.map((line) => line.xs[line.xs.length - 1]));
  if (!mean.xs.length) told.push(`${thing.name}: its runs have no stretch in common`);
  else if (mean.xs[mean.xs.length - 1] < 0.98 * last) told.push(`${thing.name}: the mean ends where its shortest run does`);
  if (mean.xs.length && mean.least < some.length) told.push(`${thing.name}: the mean is of ${countText(mean.least, mean.n)} runs, as others have gaps`);
  return mean.xs.length ? { raw: { xs: mean.xs, ys: mean.ys }, ys: mean.ys, low: mean.low, high: mean.high, least: mean.least, most: mean.n } : null;
}

// The lines of a figure: one a visible thing, over a pale one where it is smoothed. The edges of a band are lines that are not drawn.
function linesOf(figure) {
  const lines = [];
  figure.told = [];
  const visible = things.map((_, k) => k).filter((k) => !state.hidden.has(k));
  for (const k of visible) {
    const line = lineOf(figure, things[k], figure.told);
    if (!line) continue;
    const { raw, ys, low, high, least, most } = line, xs = raw.xs;
    if (low) {
      const positive = (edge) => edge.map((y) => (figure.log && !(y > 0) ? null : y));
      lines.push({ run: k, xs, ys: positive(high), pale: true, edge: 'high' }, { run: k, xs, ys: positive(low), pale: true, edge: 'low' });
    } else if (ys !== raw.ys && visible.length <= PALE) {
      lines.push({ run: k, xs, ys: raw.ys, pale: true });
    }
    lines.push({ run: k, xs, ys, low, high, least, most, pale: false });
  }
  // Pale lines first: nothing pale lies over a line to be read.
  return lines.sort((a, b) => b.pale - a.pale);
}

// Index of the line's known point nearest to x, or null where the line doesn't reach.
function nearest(line, x, slack) {
  const { xs, ys } = line;
  if (x < xs[0] - slack || x > xs[xs.length - 1] + slack) return null;
  let low = 0, high = xs.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle + 1; else high = middle;
  }
  if (low > 0 && x - xs[low - 1] < xs[low] - x) --low;
  return ys[low] === null ? null : low;
}

const slackOf = (u) => (u.scales.x.max - u.scales.x.min) * 0.03;

function showTip(u, figure, lines, tip) {
  const { left, idx } = u.cursor;
  if (u !== active || left == null || left < 0 || idx == null) { tip.hidden = true; return; }
  const x = u.posToVal(left, 'x');
  const rows = [];
  for (const line of lines) {
    const at = line.pale ? null : nearest(line, x, slackOf(u));
    if (at !== null) rows.push({ line, at });
  }
  tip.hidden = rows.length === 0;
  if (tip.hidden) return;
  tip.replaceChildren(element('div', { className: 'x' }, `${AXES[state.x].label} ${tidy(x, 5)}`));
  for (const { line, at } of rows) {
    tip.append(element('div', {}, keyBox(line.run), nameBox(things[line.run].name), element('span', {}, tidy(line.ys[at], 5))));
  }
  const over = left > u.over.clientWidth / 2;
  tip.style.left = over ? 'auto' : `${u.over.offsetLeft + left + 12}px`;
  tip.style.right = over ? `${u.root.clientWidth - u.over.offsetLeft - left + 12}px` : 'auto';
}

function axisOf(figure, font) {
  const grid = { stroke: css('--rule'), width: 1 }, stroke = css('--soft');
  return [
    { stroke, font, grid: { show: false }, ticks: { stroke: css('--rule'), size: 5 }, size: 34, label: AXES[state.x].label, labelSize: 20, labelFont: font,
      space: 64, values: (u, splits) => splits.map(tick), ...(state.xlog ? { splits: (u, i, min, max) => logSplits(min, max), filter: (u, splits) => splits } : {}) },
    { stroke, font, grid, ticks: { show: false }, gap: 8, size: (u, values) => 14 + 7 * Math.max(4, ...(values || []).map((v) => (v || '').length)),
      splits: (u, i, min, max) => figure.range ? [0, 25, 50, 75, 100] : figure.log ? logSplits(min, max) : linearSplits(min, max, 5),
      filter: (u, splits) => splits, values: (u, splits) => splits.map(tick) },
  ];
}

// A dashed line across the figure at its target.
function drawTarget(u, figure) {
  const target = state.target[figure.id] ?? null;
  if (target === null || target < u.scales.y.min || target > u.scales.y.max) return;
  const y = u.valToPos(target, 'y', true), { ctx, bbox } = u;
  ctx.save();
  ctx.strokeStyle = css('--soft');
  ctx.setLineDash([6, 5]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

function plot(figure, body, all) {
  const { lines } = figure;
  if (!lines.length) {
    const what = things.length === state.hidden.size ? 'All runs are hidden.' : 'No run has these values.';
    body.replaceWith(element('p', { className: 'empty' }, what));
    return;
  }
  const data = window.uPlot.join(lines.map((line) => [line.xs, line.ys]));
  const index = new Map(data[0].map((x, k) => [x, k]));
  const tip = element('div', { className: 'tip', hidden: true });
  const width = Math.max(200, body.clientWidth);
  const font = `12px ${css('--sans')}`;
  const series = lines.map((line) => ({
    label: things[line.run].name, stroke: colour(line.run), width: line.edge ? 0 : line.pale ? 1 : 1.8, alpha: line.pale && !line.edge ? 0.28 : 1, dash: line.pale ? [] : DASHES[line.run % DASHES.length],
    points: { show: !line.pale && line.xs.length <= 60, size: 5, width: 1.4, fill: line.xs.length > 1 ? css('--paper') : colour(line.run) },
  }));
  const bands = lines.map((line, k) => ({ line, k })).filter(({ line }) => line.edge === 'high')
    .map(({ line, k }) => ({ series: [k + 1, k + 2], fill: `${colour(line.run)}29` }));
  // A new plot asks for all of its own data: it gets the stretch that all figures show.
  const whole = (min, max) => min == null || (min === data[0][0] && max === data[0][data[0].length - 1]);
  const range = (self, min, max) => (whole(min, max) ? zoom || all : [min, max]);
  const u = new window.uPlot({
    width, height: Math.round(Math.min(320, Math.max(230, width * 0.58))), legend: { show: false }, padding: [10, 8, 0, 0],
    scales: { x: { time: false, distr: state.xlog ? 3 : 1, range }, y: { distr: figure.log ? 3 : 1, range: (self, min, max) => yRange(figure, min, max) } },
    axes: axisOf(figure, font), series: [{}, ...series], bands,
    cursor: {
      y: false, drag: { x: true, y: false, setScale: true }, bind: { dblclick: () => unzoom },
      // The other figures follow the pointer; they follow a zoom through zoomed(), by value.
      sync: { key: 'runs', setSeries: false, filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave' } },
      points: { show: (self, k) => (lines[k - 1].pale ? false : element('div', { className: 'dot' })), fill: (self, k) => colour(lines[k - 1].run) },
      dataIdx: (self, k, hovered, x) => {
        if (k === 0) return hovered;
        const at = lines[k - 1].pale ? null : nearest(lines[k - 1], x, slackOf(self));
        return at === null ? null : index.get(lines[k - 1].xs[at]);
      },
    },
    hooks: {
      draw: [(self) => drawTarget(self, figure)],
      setCursor: [(self) => showTip(self, figure, lines, tip)],
      setScale: [(self, key) => { if (key === 'x') zoomed(self, all); }],
    },
  }, data, body);
  u.lines = lines;
  u.figure = figure;
  body.append(tip);
  body.tabIndex = 0;
  body.setAttribute('role', 'group');
  body.setAttribute('aria-label', `${figure.title} against ${AXES[state.x].label}. Left and right arrow keys read values, plus and minus zoom.`);
  body.addEventListener('pointerenter', () => { active = u; });
  body.addEventListener('pointerleave', () => { if (active === u) { active = null; tip.hidden = true; } });
  body.addEventListener('focus', () => { active = u; });
  body.addEventListener('blur', () => { tip.hidden = true; });
  body.addEventListener('keydown', (event) => keys(event, u, tip));
  charts.push(u);
}

// Reading and zooming by keyboard.
function keys(event, u, tip) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const width = u.over.clientWidth, step = event.shiftKey ? width / 10 : width / 60;
  const now = u.cursor.left >= 0 ? u.cursor.left : 0;
  const moves = { ArrowLeft: now - step, ArrowRight: now + step, Home: 0, End: width };
  if (event.key in moves) {
    active = u;
    u.setCursor({ left: Math.min(width, Math.max(0, moves[event.key])), top: u.over.clientHeight / 2 });
    byId('live').textContent = tip.hidden ? '' : [...tip.children].map((row) => row.innerText).join('; ');
  } else if (event.key === 'Escape') {
    u.setCursor({ left: -10, top: -10 });
  } else if (event.key === '+' || event.key === '-') {
    const { min, max } = u.scales.x, middle = u.cursor.left >= 0 ? u.posToVal(u.cursor.left, 'x') : (min + max) / 2;
    const half = (max - min) * (event.key === '+' ? 0.25 : 1);
    const from = Math.max(u.limits[0], middle - half), to = Math.min(u.limits[1], middle + half);
    if (from === u.limits[0] && to === u.limits[1]) unzoom(); else u.setScale('x', { min: from, max: to });
  } else {
    return;
  }
  event.preventDefault();
}

// All figures show the same stretch of x. Setting a scale comes back here later, from the other figures, and then finds nothing to do.
function zoomed(u, all) {
  if (!charts.includes(u)) return;
  const { min, max } = u.scales.x;
  zoom = min <= all[0] && max >= all[1] ? null : [min, max];
  for (const other of charts) {
    if (other.scales.x.min !== min || other.scales.x.max !== max) other.setScale('x', { min, max });
  }
  byId('unzoom').hidden = zoom === null;
}

function unzoom() {
  zoom = null;
  byId('unzoom').hidden = true;
  draw();
}

// -- last values against a parameter ---------------------------------------------------------------------------------------------

// The last value of each run at each value of the parameter: one line for each choice of the other settings. Counts the runs
// that have no place there in `left`.
function finalLines(source, key, factor, left) {
  const lines = new Map();
  for (const group of groups) {
    const x = group.settings[state.parameter], ends = group.runs.map((k) => runs[k][source].last[key]);
    const finite = ends.filter((end) => Number.isFinite(end));
    left.count += typeof x === 'number' ? ends.length - finite.length : ends.length;
    if (typeof x !== 'number' || !finite.length) continue;
    const others = Object.entries(group.settings).filter(([name]) => name !== state.parameter);
    const name = others.map(([setting, value]) => (setting.endsWith('.name') ? value : `${setting.slice(setting.indexOf('.') + 1)} = ${value}`)).join(', ') || 'all runs';
    const { mean, deviation, n } = statistics(finite);
    if (!lines.has(name)) lines.set(name, []);
    lines.get(name).push({ x, mean: mean * factor, deviation: deviation * factor, n });
  }
  return [...lines].map(([name, points], k) => {
    points.sort((a, b) => a.x - b.x);
    const counts = points.map((point) => point.n), count = countText(Math.min(...counts), Math.max(...counts));
    return { name: meanName(name, count), colour: colour(k), dash: DASHES[k % DASHES.length], dots: true, xs: points.map((p) => p.x), ys: points.map((p) => p.mean),
      low: points.map((p) => p.mean - p.deviation), high: points.map((p) => p.mean + p.deviation) };
  });
}

// Returns true if the parameter's axis is logarithmic: as chosen, or where its values span almost a decade.
function finalIsLog(lines) {
  const xs = lines.flatMap((line) => line.xs), least = Math.min(...xs);
  return least > 0 && (state.finalLog ?? Math.max(...xs) >= 8 * least);
}

function finalPicture(lines, yLabel) {
  const xs = lines.flatMap((line) => line.xs), ys = lines.flatMap((line) => [...line.low, ...line.high]);
  if (!xs.length) return null;
  const log = finalIsLog(lines);
  const pad = (min, max) => (log ? [min / 1.15, max * 1.15] : [min - (max - min || 1) * 0.05, max + (max - min || 1) * 0.05]);
  const [min, max] = pad(Math.min(...xs), Math.max(...xs)), [low, high] = yRange({}, Math.min(...ys), Math.max(...ys));
  return svgOf({ title: `Last ${yLabel}`, xLabel: state.parameter, yLabel, colours: colours(), lines, target: null,
    x: { min, max, log, marks: marksOf(min, max, log, 6) }, y: { min: low, max: high, log: false, marks: marksOf(low, high, false, 5) } });
}

function finalFigure() {
  const score = SCORES[state.score], ofScore = state.final === 'score' && scores.length > 0;
  const factor = ofScore && score.unit === '%' ? 100 : 1, unit = ofScore ? score.unit : '';
  const source = ofScore ? 'evals' : runs.some((run) => run.epochs.lines) ? 'epochs' : 'rounds', key = ofScore ? state.score : 'train_loss';
  const yLabel = `${ofScore ? score.name : 'training loss'}${unit ? ` (${unit})` : ''}`;
  const left = { count: 0 }, lines = finalLines(source, key, factor, left), svg = finalPicture(lines, yLabel);
  const tools = element('div', { className: 'figure-tools' });
  if (parameters.length > 1) tools.append(choice('parameter', '', parameters.map((name) => [name, name]), state.parameter, (name) => { state.parameter = name; draw(); }));
  if (scores.length) tools.append(choice('final', '', [['score', score.name], ['train', 'training loss']], state.final, (name) => { state.final = name; draw(); }));
  tools.append(choice('final-scale', '', [['linear', 'linear'], ['log', 'log']], finalIsLog(lines) ? 'log' : 'linear', (name) => { state.finalLog = name === 'log'; draw(); }));
  const rows = () => ['line,x,mean,low,high', ...lines.flatMap((line) => line.xs.map((x, k) =>
    [`"${line.name.replaceAll('"', '""')}"`, x, line.ys[k], line.low[k], line.high[k]].join(',')))].join('\n') + '\n';
  const caption = element('figcaption', {}, `Last ${yLabel} of each run against ${state.parameter}: mean and one standard deviation over the seeds. ${
    left.count ? `${left.count} runs are left out, whose ${state.parameter} is no number or which do not end with a finite value. ` : ''}`,
    downloads('final', rows, () => svg));
  return element('figure', { id: 'figure-final' }, element('div', { className: 'figure-head' }, element('h3', {}, `Last ${yLabel}`), tools), pictureBox(svg), caption);
}

// -- smoothness against the gradient's length -----------------------------------------------------------------------------------

// The pairs of each run that is visible itself, or whose group is.
function pairClouds() {
  return runs.map((run, k) => ({ run, k })).filter(({ run, k }) => 'smoothness' in run.pairs && !state.hidden.has(state.mode === 'runs' ? k : groupOf[k]))
    .map(({ run, k }) => {
      const of = state.mode === 'runs' ? k : groupOf[k];
      const both = run.pairs.smoothness.map((y, j) => [run.pairs.pair_gradient_norm[j], y]).filter(([x, y]) => x > 0 && y > 0);
      return { name: run.name, colour: colour(of), dots: true, apart: true, xs: both.map(([x]) => x), ys: both.map(([, y]) => y) };
    });
}

function smoothnessFigure() {
  const lines = pairClouds(), xs = lines.flatMap((line) => line.xs), ys = lines.flatMap((line) => line.ys);
  const ends = (values) => [Math.min(...values) / 1.15, Math.max(...values) * 1.15];
  const axis = (values, wanted) => { const [min, max] = ends(values); return { min, max, log: true, marks: marksOf(min, max, true, wanted) }; };
  const svg = xs.length ? svgOf({ title: 'Smoothness', xLabel: '‖∇f‖', yLabel: 'L̂', colours: colours(), lines, target: null, x: axis(xs, 6), y: axis(ys, 5) }) : null;
  const left = runs.reduce((sum, run) => sum + run.pairs_left_out, 0);
  const rows = () => ['run,gradient_norm,smoothness', ...lines.flatMap((line) => line.xs.map((x, k) =>
    [`"${line.name.replaceAll('"', '""')}"`, x, line.ys[k]].join(',')))].join('\n') + '\n';
  const caption = element('figcaption', {}, 'Change of the gradient over the length of the step, against the gradient\u2019s length, a point a measured round. '
    + 'The samples are the same at both models. A rise says that curvature grows with the gradient. '
    + (left ? `${left} pairs are left out, as rounding may have made them. ` : ''), downloads('smoothness', rows, () => svg));
  return element('figure', { id: 'figure-smoothness' }, element('div', { className: 'figure-head' }, element('h3', {}, 'Smoothness against gradient norm')),
    pictureBox(svg), caption);
}

// A picture on the page, or words where there is nothing to draw. It is parsed as XML and has no script; its texts are escaped.
function pictureBox(svg) {
  const body = element('div', { className: 'plot drawn' });
  if (svg) body.append(document.importNode(new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement, true));
  else body.append(element('p', { className: 'empty' }, 'No run has these values.'));
  return body;
}

function wholeRange(list) {
  let min = Infinity, max = -Infinity;
  for (const figure of list) {
    for (const { xs } of figure.lines) { min = Math.min(min, xs[0]); max = Math.max(max, xs[xs.length - 1]); }
  }
  if (!(max >= min)) return [0, 1];
  if (max === min) return state.xlog ? [min / 2, max * 2] : [min - 0.5, max + 0.5];
  return [!state.xlog && min > 0 && min < 0.1 * max ? 0 : min, max];
}

function draw() {
  const focused = document.activeElement && document.activeElement.name ? [document.activeElement.name, document.activeElement.value] : null;
  charts.forEach((u) => u.destroy());
  charts = [];
  active = null;
  const list = figures(), place = byId('plots');
  for (const figure of list) figure.lines = linesOf(figure);
  const all = wholeRange(list);
  const shells = list.map(shell);
  place.style.minHeight = `${place.clientHeight}px`;
  place.replaceChildren(...shells.map((s) => s.node));
  if (has('pairs', 'smoothness')) place.append(smoothnessFigure());
  if (parameters.length) place.append(finalFigure());
  list.forEach((figure, k) => plot(figure, shells[k].body, all));
  place.style.minHeight = '';
  charts.forEach((u) => { u.limits = all; });
  if (!focused) return;
  const field = [...document.querySelectorAll('input')].find((i) => i.name === focused[0] && (i.type !== 'radio' || i.value === focused[1]));
  if (!field) return;
  if (field.type !== 'radio') field.value = focused[1];  // what is being typed
  field.focus();
}

// -- controls ----------------------------------------------------------------------------------------------------------------

function stress(run) {
  for (const u of charts) {
    u.lines.forEach((line, k) => { u.series[k + 1].alpha = (line.pale && !line.edge ? 0.28 : 1) * (run === null || line.run === run ? 1 : 0.15); });
    u.redraw(false);
  }
}

// A button for each line's thing, which hides it and shows it again.
function nameButtons() {
  return things.map((thing, k) => {
    const button = element('button', { type: 'button', 'aria-pressed': String(!state.hidden.has(k)), title: thing.name }, keyBox(k), nameBox(thing.name));
    button.addEventListener('click', () => {
      if (state.hidden.has(k)) state.hidden.delete(k); else state.hidden.add(k);
      button.setAttribute('aria-pressed', String(!state.hidden.has(k)));
      draw();
    });
    for (const type of ['pointerenter', 'focus']) button.addEventListener(type, () => stress(k));
    for (const type of ['pointerleave', 'blur']) button.addEventListener(type, () => stress(null));
    return button;
  });
}

// Draws the keys in the tables, where a run has the colour of its line.
function tableKeys() {
  document.querySelectorAll('.key[data-run]').forEach((box) => {
    const run = Number(box.dataset.run);
    box.replaceChildren(keyLine(state.mode === 'mean' ? groupOf[run] : run));
  });
}

function controls() {
  byId('controls').replaceChildren();
  const names = element('div', { className: 'runs', role: 'group', 'aria-label': 'Lines shown' }, ...nameButtons());
  const choices = element('div', { className: 'choices' });
  if (axes.length > 1) {
    choices.append(choice('x', 'Against', axes.map((key) => [key, AXES[key].name]), state.x, (key) => { state.x = key; unzoom(); }));
  }
  if (axes.length) {
    choices.append(choice('xscale', 'Scale', [['linear', 'linear'], ['log', 'log']], state.xlog ? 'log' : 'linear', (key) => { state.xlog = key === 'log'; unzoom(); }));
  }
  if (repeated) {
    choices.append(choice('mode', 'Lines', [['mean', 'means over seeds'], ['runs', 'runs']], state.mode, (key) => {
      state.mode = key;
      things = thingsOf();
      state.hidden.clear();
      names.replaceChildren(...nameButtons());
      tableKeys();
      draw();
    }));
  }
  if (longest > 20) {
    choices.append(choice('smooth', 'Smoothing', [['0', 'none'], ['0.01', '1 %'], ['0.05', '5 %']], state.smooth, (key) => { state.smooth = key; draw(); }));
  }
  const reset = element('button', { id: 'unzoom', type: 'button', className: 'text-button', hidden: zoom === null }, 'Reset zoom');
  reset.addEventListener('click', unzoom);
  choices.append(reset);
  byId('controls').append(choices);
  if (runs.length > 1) byId('controls').append(names);
}

function remembered(value) {
  // A browser may forbid storage to local files; the choice then lasts as long as the page.
  try {
    if (value !== undefined) localStorage.setItem('tacet-theme', value);
    return localStorage.getItem('tacet-theme');
  } catch (error) {
    return null;
  }
}

function theme(value) {
  state.theme = value;
  if (value === 'auto') delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = value;
}

theme(['light', 'dark'].includes(remembered()) ? remembered() : 'auto');
byId('theme').append(choice('theme', 'Theme', [['auto', 'auto'], ['light', 'light'], ['dark', 'dark']], state.theme, (key) => { theme(key); remembered(key); draw(); }));
function fillPage() {
  tableKeys();
  document.querySelectorAll('th .label').forEach((label) => {
    label.title = label.textContent;
    label.replaceChildren(nameBox(label.textContent));
  });
  controls();
  draw();
}

fillPage();
performance.mark('tacet-drawn');
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);

// -- a page that a server keeps fresh ------------------------------------------------------------------------------------------

// Takes tables, recipes and data of a newer page. Hidden lines, zoom, targets and scales stay.
function take(page) {
  ({ runs, groups } = JSON.parse(page.getElementById('data').textContent));
  for (const part of ['h1', '.lede', '[aria-labelledby="summary"]', '[aria-labelledby="recipes"]']) {
    const open = [...document.querySelectorAll(`${part} details`)].map((details) => details.open);
    document.querySelector(part).replaceWith(document.importNode(page.querySelector(part), true));
    document.querySelectorAll(`${part} details`).forEach((details, k) => { details.open = open[k] || false; });
  }
  const unscored = scores.length === 0;
  survey();
  if (!has(state.each, 'train_loss')) state.each = has('rounds', 'train_loss') ? 'rounds' : 'epochs';
  if (unscored && scores.length) state.final = 'score';
  if (!axes.includes(state.x)) state.x = axes[0] || 'epoch';
  if (!scores.includes(state.score)) state.score = scores[0] || 'eval_loss';
  if (!parameters.includes(state.parameter)) state.parameter = parameters[0];
  things = thingsOf();
  fillPage();
}

async function follow(seconds) {
  const ask = async (path) => {
    const answer = await fetch(path + location.search, { cache: 'no-store', signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.text();
  };
  const say = (text) => { byId('live-state').textContent = ` · ${text}`; };
  let seen = document.querySelector('meta[name="tacet-mark"]').content, told = false;
  const look = async () => {
    try {
      const mark = await ask('mark');
      if (mark !== seen) take(new DOMParser().parseFromString(await ask('./'), 'text/html'));
      if (mark !== seen || !told) say(`live, as of ${new Date().toLocaleTimeString('en-GB')}`);
      seen = mark;
      told = true;
    } catch (error) {
      say('no longer live: the server does not answer');
      told = false;
    }
    setTimeout(look, seconds * 1000);
  };
  await look();
}
const live = document.querySelector('meta[name="tacet-live"]');
if (live) follow(Number(live.content));

let width = byId('plots').clientWidth;
new ResizeObserver(() => {
  const now = byId('plots').clientWidth;
  if (now !== width) { width = now; requestAnimationFrame(draw); }
}).observe(byId('plots'));
})();
