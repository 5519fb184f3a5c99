// Draws the report's figures with uPlot from the JSON in #data, and wires the controls. All text of the runs is set as text,
// never as HTML. The tables of the page don't depend on this script.
(() => {
'use strict';

const runs = JSON.parse(document.getElementById('data').textContent).runs;
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
const axes = Object.keys(AXES).filter((key) => ['rounds', 'epochs', 'evals'].some((source) => has(source, key)));
const scores = Object.keys(SCORES).filter((key) => has('evals', key));
const longest = Math.max(0, ...runs.map((run) => run.rounds.lines));

const state = {
  x: axes[0] || 'epoch', smooth: longest > 200 ? '0.01' : '0', theme: 'auto', hidden: new Set(),
  each: runs.every((run) => run.rounds.lines === 0) ? 'epochs' : 'rounds', score: scores[0] || 'eval_loss',
  log: { train: false, eval_perplexity: true, eval_loss: false, eval_gradient_norm: true, norm: true },
};
let charts = [];   // the uPlot objects on the page
let active = null; // the one that the reader points at; only it shows values
let zoom = null;   // [min, max] of x, or null for all

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
  const xs = table[xKey], ys = table[yKey];
  if (!xs || !ys) return { xs: [], ys: [] };
  const order = [...xs.keys()].filter((k) => xs[k] !== null).sort((a, b) => xs[a] - xs[b] || a - b);
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

function yRange(figure, min, max) {
  if (figure.range) return figure.range;
  if (min == null || max == null || !Number.isFinite(min) || !Number.isFinite(max)) return figure.log ? [1, 10] : [0, 1];
  if (figure.log) {
    const pad = Math.max(1.02, (max / min) ** 0.04);
    return [min / pad, max * pad];
  }
  const pad = max > min ? (max - min) * 0.05 : Math.abs(max) * 0.05 || 1;
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
  const shown = runs.length - state.hidden.size;
  const pale = smooth > 0 ? ` Lines are centred means over ${smooth * 100}\u00a0% of a run${shown <= PALE ? '; a pale line is the value itself' : ''}.` : '';
  const mixed = sets.size > 1 ? ' A run without validation set is evaluated on the test set.' : '';
  const averaged = runs.some((run) => run.averaged) ? ' Where an average of the model was evaluated too, it is shown.' : '';
  const accuracy = SCORES[state.score].unit === '%';
  return [
    { id: 'train', title: 'Training loss', unit: nats, source: state.each, key: 'train_loss', smooth: perRound ? smooth : 0,
      log: state.log.train, logChoice: true, eachChoice: has('rounds', 'train_loss') && has('epochs', 'train_loss'),
      caption: perRound ? `Training loss${ofTraining}, mean over each round.${pale}` : `Training loss${ofTraining}, mean over each epoch.` },
    { id: 'valid', title: `${set} ${score.name}`, unit, source: 'evals', key: state.score, smooth: 0, scoreChoice: scores.length > 1,
      log: !accuracy && state.log[state.score], logChoice: !accuracy, logKey: state.score, factor: accuracy ? 100 : 1,
      caption: `${set} ${score.name}${unit ? ` (${unit})` : ''} at each evaluation; ${score.higher ? 'higher' : 'lower'} is better.${averaged}${mixed}` },
    { id: 'clip', title: 'Clipped share', unit: '% of local steps', source: 'rounds', key: 'clipped_fraction', smooth, factor: 100, range: [-2, 102],
      caption: `Share of a round's local steps whose gradient was clipped (%).${pale}` },
    { id: 'norm', title: 'Gradient norm', unit: 'ℓ2', source: 'rounds', key: 'gradient_norm', smooth, log: state.log.norm, logChoice: true,
      caption: `ℓ2 norm of the stochastic gradient, mean over each round.${pale}` },
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

let links = [];
function dataLink(figure) {
  const href = URL.createObjectURL(new Blob([csv(figure)], { type: 'text/csv' }));
  links.push(href);
  return element('a', { href, download: `${figure.key}.csv` }, 'Data (CSV)');
}

function toolsOf(figure) {
  const tools = element('div', { className: 'figure-tools' });
  if (!has(figure.source, figure.key)) return tools;
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
  const caption = element('figcaption', {}, figure.caption, ' ', dataLink(figure));
  const node = element('figure', { id: `figure-${figure.id}` }, element('div', { className: 'figure-head' }, title, toolsOf(figure)), body, caption);
  return { node, body };
}

// The lines of a figure: one a visible run, over a pale one where it is smoothed.
function linesOf(figure) {
  const lines = [];
  const visible = runs.map((_, k) => k).filter((k) => !state.hidden.has(k));
  for (const k of visible) {
    const raw = points(runs[k][figure.source], state.x, figure.key, figure.factor || 1, figure.log);
    if (!raw.ys.some((y) => y !== null)) continue;
    const ys = smoothed(raw.ys, figure.smooth);
    if (ys !== raw.ys && visible.length <= PALE) lines.push({ run: k, xs: raw.xs, ys: raw.ys, pale: true });
    lines.push({ run: k, xs: raw.xs, ys, pale: false });
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
    tip.append(element('div', {}, keyBox(line.run), nameBox(runs[line.run].name), element('span', {}, tidy(line.ys[at], 5))));
  }
  const over = left > u.over.clientWidth / 2;
  tip.style.left = over ? 'auto' : `${u.over.offsetLeft + left + 12}px`;
  tip.style.right = over ? `${u.root.clientWidth - u.over.offsetLeft - left + 12}px` : 'auto';
}

function axisOf(figure, font) {
  const grid = { stroke: css('--rule'), width: 1 }, stroke = css('--soft');
  return [
    { stroke, font, grid: { show: false }, ticks: { stroke: css('--rule'), size: 5 }, size: 34, label: AXES[state.x].label, labelSize: 20, labelFont: font,
      space: 64, values: (u, splits) => splits.map(tick) },
    { stroke, font, grid, ticks: { show: false }, gap: 8, size: (u, values) => 14 + 7 * Math.max(4, ...(values || []).map((v) => (v || '').length)),
      splits: (u, i, min, max) => figure.range ? [0, 25, 50, 75, 100] : figure.log ? logSplits(min, max) : linearSplits(min, max, 5),
      filter: (u, splits) => splits, values: (u, splits) => splits.map(tick) },
  ];
}

function plot(figure, body, all) {
  const lines = linesOf(figure);
  if (!lines.length) {
    const what = runs.length === state.hidden.size ? 'All runs are hidden.' : 'No run has these values.';
    body.replaceWith(element('p', { className: 'empty' }, what));
    return;
  }
  const data = window.uPlot.join(lines.map((line) => [line.xs, line.ys]));
  const index = new Map(data[0].map((x, k) => [x, k]));
  const tip = element('div', { className: 'tip', hidden: true });
  const width = Math.max(200, body.clientWidth);
  const font = `12px ${css('--sans')}`;
  const series = lines.map((line) => ({
    label: runs[line.run].name, stroke: colour(line.run), width: line.pale ? 1 : 1.8, alpha: line.pale ? 0.28 : 1, dash: line.pale ? [] : DASHES[line.run % DASHES.length],
    points: { show: !line.pale && line.xs.length <= 60, size: 5, width: 1.4, fill: line.xs.length > 1 ? css('--paper') : colour(line.run) },
  }));
  // A new plot asks for all of its own data: it gets the stretch that all figures show.
  const whole = (min, max) => min == null || (min === data[0][0] && max === data[0][data[0].length - 1]);
  const range = (self, min, max) => (whole(min, max) ? zoom || all : [min, max]);
  const u = new window.uPlot({
    width, height: Math.round(Math.min(320, Math.max(230, width * 0.58))), legend: { show: false }, padding: [10, 8, 0, 0],
    scales: { x: { time: false, range }, y: { distr: figure.log ? 3 : 1, range: (self, min, max) => yRange(figure, min, max) } },
    axes: axisOf(figure, font), series: [{}, ...series],
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
      setCursor: [(self) => showTip(self, figure, lines, tip)],
      setScale: [(self, key) => { if (key === 'x') zoomed(self, all); }],
    },
  }, data, body);
  u.lines = lines;
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

function wholeRange(list) {
  let min = Infinity, max = -Infinity;
  for (const figure of list) {
    for (const { xs } of linesOf(figure)) { min = Math.min(min, xs[0]); max = Math.max(max, xs[xs.length - 1]); }
  }
  if (!(max >= min)) return [0, 1];
  if (max === min) return [min - 0.5, max + 0.5];
  return [min > 0 && min < 0.1 * max ? 0 : min, max];
}

function draw() {
  const focused = document.activeElement && document.activeElement.name ? [document.activeElement.name, document.activeElement.value] : null;
  charts.forEach((u) => u.destroy());
  charts = [];
  active = null;
  links.forEach((href) => URL.revokeObjectURL(href));
  links = [];
  const list = figures(), all = wholeRange(list), place = byId('plots');
  const shells = list.map(shell);
  place.style.minHeight = `${place.clientHeight}px`;
  place.replaceChildren(...shells.map((s) => s.node));
  list.forEach((figure, k) => plot(figure, shells[k].body, all));
  place.style.minHeight = '';
  charts.forEach((u) => { u.limits = all; });
  if (focused) [...document.querySelectorAll('input')].find((i) => i.name === focused[0] && i.value === focused[1])?.focus();
}

// -- controls ----------------------------------------------------------------------------------------------------------------

function stress(run) {
  for (const u of charts) {
    u.lines.forEach((line, k) => { u.series[k + 1].alpha = (line.pale ? 0.28 : 1) * (run === null || line.run === run ? 1 : 0.15); });
    u.redraw(false);
  }
}

function controls() {
  const choices = element('div', { className: 'choices' });
  if (axes.length > 1) {
    choices.append(choice('x', 'Against', axes.map((key) => [key, AXES[key].name]), state.x, (key) => { state.x = key; unzoom(); }));
  }
  if (longest > 20) {
    choices.append(choice('smooth', 'Smoothing', [['0', 'none'], ['0.01', '1 %'], ['0.05', '5 %']], state.smooth, (key) => { state.smooth = key; draw(); }));
  }
  const reset = element('button', { id: 'unzoom', type: 'button', className: 'text-button', hidden: true }, 'Reset zoom');
  reset.addEventListener('click', unzoom);
  choices.append(reset);
  const names = element('div', { className: 'runs', role: 'group', 'aria-label': 'Runs shown' });
  runs.forEach((run, k) => {
    const button = element('button', { type: 'button', 'aria-pressed': 'true', title: run.name }, keyBox(k), nameBox(run.name));
    button.addEventListener('click', () => {
      if (state.hidden.has(k)) state.hidden.delete(k); else state.hidden.add(k);
      button.setAttribute('aria-pressed', String(!state.hidden.has(k)));
      draw();
    });
    for (const type of ['pointerenter', 'focus']) button.addEventListener(type, () => stress(k));
    for (const type of ['pointerleave', 'blur']) button.addEventListener(type, () => stress(null));
    names.append(button);
  });
  byId('controls').append(choices);
  if (runs.length > 1) byId('controls').append(names);
  else if (!axes.length) byId('controls').remove();
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
document.querySelectorAll('.key[data-run]').forEach((box) => box.append(keyLine(Number(box.dataset.run))));
document.querySelectorAll('th .label').forEach((label) => {
  label.title = label.textContent;
  label.replaceChildren(nameBox(label.textContent));
});
controls();
draw();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
let width = byId('plots').clientWidth;
new ResizeObserver(() => {
  const now = byId('plots').clientWidth;
  if (now !== width) { width = now; requestAnimationFrame(draw); }
}).observe(byId('plots'));
})();
