'use strict';
// Draws the report from the JSON block. Foreign text (labels, rows, names) becomes visible through text nodes only.
(function() {
const report = JSON.parse(document.getElementById('data').textContent);
const page = document.getElementById('page');

// ---- words and figures: promised figures are cut, never rounded up, as in the table on the terminal ----
const onStep = 1e-9;
const known = (value) => typeof value === 'number' && isFinite(value);
function down(value, decimals) {
  if (!known(value)) return '-';
  const scale = Math.pow(10, decimals);
  return (Math.floor(value * scale + onStep) / scale).toFixed(decimals);
}
function up(value, decimals) {
  if (!known(value)) return '-';
  const scale = Math.pow(10, decimals);
  return (Math.ceil(value * scale - onStep) / scale).toFixed(decimals);
}
const count = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ',');
const answered = (share) => down(share * 100, 1) + ' %';
const escalated = (share) => ((1000 - Math.floor(share * 1000 + onStep)) / 10).toFixed(1) + ' %';
const level = (value) => down(value * 100, 3).replace(/\.?0+$/, '') + ' %';
const accuracy = (value) => down(value, 3);
const two = (value, unit) => (value < 9.95 ? value.toFixed(1) : value.toFixed(0)) + ' ' + unit;
function time(us) {
  if (!(us > 0)) return '-';
  return us < 999.5 ? two(us, '\u00b5s') : us < 999.5e3 ? two(us / 1e3, 'ms') : two(us / 1e6, 's');
}
function bytes(value) {
  if (!(value > 0)) return '-';
  if (value < 1000) return value + ' B';
  return value < 999.5e3 ? two(value / 1e3, 'kB') : value < 999.5e6 ? two(value / 1e6, 'MB') : two(value / 1e9, 'GB');
}
function seconds(value) {
  if (!(value > 0)) return '-';
  if (value < 0.05) return '< 0.1 s';
  return value < 99.5 ? two(value, 's') : Math.floor(value / 60) + ' min ' + Math.round(value % 60) + ' s';
}
function dollars(value, smallest) {
  if (!known(value)) return '-';
  const decimals = smallest >= 0.095 || !(smallest > 0) ? 2 : smallest >= 0.0095 ? 3 : 4;
  const step = Math.pow(10, -decimals);
  if (value > 0 && value < step / 2) return '< $' + step.toFixed(decimals);
  const parts = value.toFixed(decimals).split('.');
  return '$' + count(parts[0]) + '.' + parts[1];
}
const plural = (n, one, many) => count(n) + ' ' + (n === 1 ? one : many);
function clip(text, limit) {
  const points = Array.from(text);
  return points.length > limit ? points.slice(0, limit).join('') + '\u2026' : text;
}

// ---- elements ----
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== undefined) node.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}
// Isolated, so that text which runs backwards turns nothing around it; long names may break after _ - / and dots.
const foreign = (text, limit = 160) => el(
    'bdi', {}, clip(text, limit).split(/(?<=[_\-\/.])(?=\S)/).map((part, i) => i ? [el('wbr'), part] : [part]).flat());
const card = (...children) => el('div', {class: 'card'}, ...children);
function section(id, title, lead, ...children) {
  return el(
      'section', {'aria-labelledby': id}, el('h2', {id}, title), lead ? el('p', {class: 'lead'}, lead) : null,
      ...children);
}
// columns: [heading, kind] with kind '' | 'label' | 'number' | 'range' | 'text'; rows: arrays of cells, the first is
// its heading.
function table(name, columns, rows, classes = []) {
  const cell = (tag, kind, content, scope) => el(tag, {class: kind || undefined, scope}, content);
  return el(
      'div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': name},
      el('table', {'aria-label': name},
         el('thead', {},
            el('tr', {},
               columns.map(
                   ([head, kind]) => cell('th', kind === 'number' || kind === 'label' ? kind : '', head, 'col')))),
         el('tbody', {},
            rows.map(
                (row, i) =>
                    el('tr', {class: classes[i] || undefined},
                       row.map(
                           (content, j) => j === 0 && columns[0][1] !== 'number' ?
                               cell('th', columns[j][1], content, 'row') :
                               cell('td', columns[j][1], content)))))));
}
// The first rows, and all of them on demand.
function shortened(name, columns, make, total, shown) {
  const first = table(name, columns, make(0, total <= shown + 3 ? total : shown));
  if (total <= shown + 3) return [first];
  return [
    first, el('details', {}, el('summary', {}, 'All ' + count(total)), table(name + ', all', columns, make(0, total)))
  ];
}
function facts(pairs, wide) {
  return el(
      'dl', {class: wide ? 'facts wide' : 'facts'},
      pairs.filter((pair) => pair[1] !== null && pair[1] !== undefined)
          .map(([name, value]) => [el('dt', {}, name), el('dd', {}, value)])
          .flat());
}
const list = (texts) => el('ul', {}, texts.map((text) => el('li', {}, foreign(text, 1000))));

// ---- charts ----
const light = {
  ink: '#171b20',
  muted: '#59636e',
  line: '#e2e6ea',
  card: '#ffffff',
  bad: '#a8281d',
  series: ['#0f6d7a', '#6a4fb3', '#8a6a00', '#3d6fc4', '#8a3b62', '#59636e']
};
const dark = {
  ink: '#e8ebef',
  muted: '#9aa4af',
  line: '#2b323a',
  card: '#181c22',
  bad: '#f0897e',
  series: ['#5cc6d3', '#b6a1f2', '#d8bd4a', '#7fa8f0', '#e394bb', '#9aa4af']
};
const charts = [];  // {canvas, make(colours) -> configuration, chart}
function figure(label, caption, make, fallback) {
  const canvas = el('canvas', {role: 'img', 'aria-label': label});
  charts.push({canvas, make, chart: null});
  return el('figure', {}, el('div', {class: 'chart'}, canvas), el('figcaption', {}, caption), fallback || null);
}
const as_table = (name, columns, rows) =>
    el('details', {}, el('summary', {}, 'The same as a table'), table(name, columns, rows));
function draw(colours) {
  if (typeof Chart === 'undefined') return;
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.font.size = 13;
  Chart.defaults.color = colours.muted;
  for (const entry of charts) {
    if (entry.chart) entry.chart.destroy();
    entry.chart = new Chart(entry.canvas, entry.make(colours));
  }
}
function axis(colours, title, more) {
  const grid = Object.assign({color: colours.line, tickLength: 6, drawBorder: false}, more.grid);
  return Object.assign({title: {display: true, text: title, color: colours.muted, padding: 6}}, more, {grid});
}
// Chart.js draws a dashed line's sign in the legend without its dashes.
const legend_items = (chart) => Chart.defaults.plugins.legend.labels.generateLabels(chart).map(
    (item) =>
        Object.assign(item, {lineDash: chart.data.datasets[item.datasetIndex].borderDash ? [4, 3] : [], lineWidth: 2}));
function configuration(datasets, scales, legend, plugins, tooltip) {
  return {
    type: 'scatter',
    data: {datasets},
    plugins,
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      scales,
      layout: {padding: {top: 12, right: 14}},
      interaction: {mode: 'nearest', intersect: true},
      plugins: {
        tooltip: {callbacks: {label: tooltip}, filter: (item) => !item.dataset.silent},
        legend: {
          display: legend,
          position: 'bottom',
          align: 'start',
          labels: {
            usePointStyle: true,
            pointStyle: 'line',
            padding: 14,
            generateLabels: legend_items,
            filter: (item, data) => !data.datasets[item.datasetIndex].unlisted
          }
        }
      }
    }
  };
}
const line = (label, color, data, more) => Object.assign(
    {
      label,
      data,
      showLine: true,
      borderColor: color,
      backgroundColor: color,
      borderWidth: 2,
      pointRadius: 0,
      pointHitRadius: 6
    },
    more);
const dashed = (label, color, data) => line(label, color, data, {
  borderDash: [5, 4],
  borderWidth: 1.5,
  silent: true,
  pointHitRadius: 0,
  dash_at: data[0].y === data[1].y ? data[0].y : undefined
});

// Names beside points: the first of ten places that covers no other name, point or edge.
const names_plugin = (colours) => ({
  id: 'names',
  afterDatasetsDraw(chart) {
    const area = chart.chartArea, context = chart.ctx, taken = [];
    const points = [];
    chart.data.datasets.forEach((set, i) => {
      if (set.dash_at !== undefined)
        taken.push([
          area.left, chart.scales.y.getPixelForValue(set.dash_at) - 1, area.right,
          chart.scales.y.getPixelForValue(set.dash_at) + 1
        ]);
      if (set.showLine && !set.named && !set.stepped && set.dash_at === undefined) {
        for (const at of chart.getDatasetMeta(i).data) taken.push([at.x - 3, at.y - 3, at.x + 3, at.y + 3]);
      }
      if (set.stepped) {
        const steps = chart.getDatasetMeta(i).data;
        for (let j = 1; j < steps.length; ++j) {
          taken.push([steps[j - 1].x, steps[j - 1].y - 1, steps[j].x, steps[j - 1].y + 1]);
          taken.push([
            steps[j].x - 1, Math.min(steps[j - 1].y, steps[j].y), steps[j].x + 1, Math.max(steps[j - 1].y, steps[j].y)
          ]);
        }
      }
      if (set.named) chart.getDatasetMeta(i).data.forEach((at, j) => points.push({x: at.x, y: at.y, raw: set.data[j]}));
    });
    for (const point of points) {
      taken.push([point.x - 8, point.y - 8, point.x + 8, point.y + 8]);
      if (known(point.raw.low))
        taken.push([
          point.x - 5, chart.scales.y.getPixelForValue(point.raw.high), point.x + 5,
          chart.scales.y.getPixelForValue(point.raw.low)
        ]);
    }
    context.save();
    context.textBaseline = 'middle';
    for (const point of points) {
      context.font = (point.raw.chosen ? '650 ' : '500 ') + '13px ' + Chart.defaults.font.family;
      const text = clip(point.raw.name, 28), width = context.measureText(text).width;
      const places = [
        [11, -13], [11, 13], [-11 - width, -13], [-11 - width, 13], [14, 0], [-14 - width, 0], [11, -30], [11, 30],
        [-11 - width, -30], [-11 - width, 30]
      ];
      const boxes = places.map(([dx, dy]) => [point.x + dx, point.y + dy - 8, point.x + dx + width, point.y + dy + 8]);
      const inside = (box) =>
          box[0] >= area.left && box[2] <= area.right && box[1] >= area.top && box[3] <= area.bottom;
      const free = (box) =>
          taken.every((other) => box[2] < other[0] || box[0] > other[2] || box[3] < other[1] || box[1] > other[3]);
      const box = boxes.find((b) => inside(b) && free(b)) || boxes[0];
      taken.push(box);
      context.lineWidth = 4;
      context.strokeStyle = colours.card;
      context.lineJoin = 'round';
      context.strokeText(text, box[0], box[1] + 8);
      context.fillStyle = colours.ink;
      context.fillText(text, box[0], box[1] + 8);
    }
    context.restore();
  }
});
const intervals_plugin = (colours) => ({
  id: 'intervals',
  beforeDatasetsDraw(chart) {
    const context = chart.ctx, scale = chart.scales.y, area = chart.chartArea;
    context.save();
    context.lineWidth = 1.5;
    chart.data.datasets.forEach((set, i) => {
      if (!set.named) return;
      chart.getDatasetMeta(i).data.forEach((at, j) => {
        const raw = set.data[j];
        if (!known(raw.low)) return;
        const top = Math.max(scale.getPixelForValue(raw.high), area.top);
        const bottom = Math.min(scale.getPixelForValue(raw.low), area.bottom);
        context.strokeStyle = raw.chosen ? colours.series[0] : colours.muted;
        context.beginPath();
        context.moveTo(at.x, top);
        context.lineTo(at.x, bottom);
        context.moveTo(at.x - 4, top);
        context.lineTo(at.x + 4, top);
        context.moveTo(at.x - 4, bottom);
        context.lineTo(at.x + 4, bottom);
        context.stroke();
      });
    });
    context.restore();
  }
});

const measured = report.rungs.filter((rung) => rung.us_p50 > 0 && known(rung.accuracy));
function frontier() {
  const out = [];
  const sorted = measured.slice().sort((a, b) => a.us_p50 - b.us_p50 || b.accuracy - a.accuracy);
  for (const rung of sorted)
    if (!out.length || rung.accuracy > out[out.length - 1].y) out.push({x: rung.us_p50, y: rung.accuracy});
  return out;
}
function ladder_chart(colours) {
  const points = measured.map((rung) => ({
                                x: rung.us_p50,
                                y: rung.accuracy,
                                low: rung.accuracy_low,
                                high: rung.accuracy_high,
                                name: rung.rung,
                                chosen: rung.chosen
                              }));
  const x = [
    Math.pow(10, Math.floor(Math.log10(Math.min(...points.map((p) => p.x)) / 1.3))),
    Math.pow(10, Math.ceil(Math.log10(Math.max(...points.map((p) => p.x)) * 1.3)))
  ];
  const target = report.asked.accuracy;
  let low = Math.min(target, ...points.map((p) => p.low)), high = Math.max(target, ...points.map((p) => p.high));
  const step = high - low > 0.3 ? 0.1 : high - low > 0.12 ? 0.05 : high - low > 0.05 ? 0.02 : 0.01;
  low = Math.max(0, Math.floor((low - step * 0.3) / step) * step);
  high = Math.min(1, Math.ceil((high + step * 0.3) / step) * step);
  const best = frontier();
  if (best.length) best.push({x: x[1], y: best[best.length - 1].y});
  const decade = (value) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-6;
  return configuration(
      [
        Object.assign(line('measured', colours.muted, points, {
          named: true,
          unlisted: true,
          showLine: false,
          pointRadius: 6,
          pointHoverRadius: 8,
          pointHitRadius: 8,
          borderColor: colours.card,
          borderWidth: 1.5,
          backgroundColor: points.map((p) => p.chosen ? colours.series[0] : colours.muted)
        })),
        line(
            'best accuracy for the time (Pareto frontier)', colours.series[0], best,
            {stepped: 'before', silent: true, pointHitRadius: 0, borderWidth: 1.5}),
        dashed(
            'asked: ' + accuracy(target) + ' of the answers', colours.bad, [{x: x[0], y: target}, {x: x[1], y: target}])
      ],
      {
        x: axis(colours, 'median time a row, one thread (logarithmic)', {
          type: 'logarithmic',
          min: x[0],
          max: x[1],
          ticks: {
            maxRotation: 0,
            autoSkip: false,
            callback: (value) => decade(value) ? time(value).replace('.0', '') : null
          }
        }),
        y: axis(
            colours, 'accuracy', {min: low, max: high, ticks: {stepSize: step, callback: (value) => value.toFixed(2)}})
      },
      true, [intervals_plugin(colours), names_plugin(colours)],
      (item) => clip(item.raw.name, 60) + ': ' + accuracy(item.raw.y) + ' (' + accuracy(item.raw.low) + ' .. ' +
          up(item.raw.high, 3) + '), ' + time(item.raw.x));
}
function curves_chart(colours) {
  const target = 1 - report.asked.accuracy;
  const ends = report.curves.map((curve) => curve.risk[curve.risk.length - 1] || 0);
  const reach = 1.2 * Math.max(target * 1.3, ...ends, 0.01);
  const step = reach > 0.5 ? 0.2 : reach > 0.25 ? 0.1 : reach > 0.12 ? 0.05 : reach > 0.05 ? 0.02 : 0.01;
  const own =
      report.curves.filter((curve) => curve.name === report.policy);  // first, so in the first colour, and thick
  const curves = own.concat(report.curves.filter((curve) => !own.includes(curve)));
  const sets = curves.map(
      (curve, i) => line(
          clip(curve.name, 40), colours.series[i % colours.series.length],
          curve.coverage.map((x, j) => ({x, y: curve.risk[j]})), {borderWidth: i < own.length ? 3 : 1.5}));
  sets.push(dashed('asked: at most ' + level(target) + ' wrong', colours.bad, [{x: 0, y: target}, {x: 1, y: target}]));
  if (report.policy && report.coverage > 0) {
    sets.push(line(
        'chosen', colours.ink, [{
          x: report.coverage,
          y: 1 - report.selective_accuracy,
          name: report.certified ? 'chosen' : 'nearest',
          chosen: true
        }],
        {
          named: true,
          unlisted: true,
          pointRadius: 6,
          pointHoverRadius: 8,
          borderColor: colours.card,
          borderWidth: 1.5
        }));
  }
  return configuration(
      sets, {
        x: axis(
            colours, 'share of rows answered locally',
            {min: 0, max: 1, ticks: {stepSize: 0.2, callback: (value) => Math.round(value * 100) + ' %'}}),
        y: axis(colours, 'wrong among the answers', {
          min: 0,
          max: Math.ceil(reach / step) * step,
          ticks: {stepSize: step, callback: (value) => Math.round(value * 100) + ' %'}
        })
      },
      true, [names_plugin(colours)],
      (item) =>
          item.dataset.label + ': ' + answered(item.raw.x) + ' answered, ' + up(item.raw.y * 100, 1) + ' % wrong');
}
function reliability_chart(colours) {
  const most = Math.max(...report.reliability.map((bin) => bin.rows), 1);
  const points = report.reliability.filter((bin) => bin.rows > 0)
                     .map((bin) => ({x: bin.confidence, y: bin.accuracy, rows: bin.rows}));
  return configuration(
      [
        line('measured (larger: more rows)', colours.series[0], points, {
          borderWidth: 1.5,
          clip: 12,
          pointRadius: points.map((p) => 3 + 7 * Math.sqrt(p.rows / most)),
          pointHitRadius: 6
        }),
        dashed('as sure as it is right', colours.muted, [{x: 0, y: 0}, {x: 1, y: 1}])
      ],
      {
        x: axis(colours, 'confidence', {min: 0, max: 1, ticks: {stepSize: 0.2, callback: (value) => value.toFixed(1)}}),
        y: axis(colours, 'share right', {min: 0, max: 1, ticks: {stepSize: 0.2, callback: (value) => value.toFixed(1)}})
      },
      true, [],
      (item) => 'confidence ' + down(item.raw.x, 3) + ', right ' + accuracy(item.raw.y) + ', ' +
          plural(item.raw.rows, 'row', 'rows'));
}

// ---- parts of the page ----
function verdict() {
  const proof = report.certificate, certified = report.certified && proof;
  const chosen = report.rungs.find((rung) => rung.chosen);
  const node =
      el('div', {class: certified ? 'card verdict certified' : 'card verdict'},
         el('span', {class: 'badge'}, certified ? 'Certified' : 'Not certified'));
  if (certified) {
    const scope = proof.risk === 'all' ? 'all answers, the large model\u2019s included,' : 'the answers given locally';
    node.append(
        el('p', {class: 'claim'},
           'With ' + level(1 - proof.delta) + ' confidence, at least ' + level(1 - proof.alpha) + ' of ' + scope +
               ' are right, on rows like these.'));
    node.append(el(
        'p', {class: 'muted'}, 'Policy: ', foreign(report.policy || '-'),
        '. Tested on ' + plural(proof.n_units, 'held-out row', 'held-out rows') + ' that were used for nothing else.'));
  } else {
    node.append(
        el('p', {class: 'claim'},
           foreign(report.refusal ? report.refusal.reason : 'No policy passed its test on the held-out rows.', 1000)));
    const why = report.refusal || {};
    if (known(why.certifiable_accuracy)) {
      node.append(
          el('p', {},
             'These rows show at least ' + accuracy(why.certifiable_accuracy) + ' for it, with ' +
                 level(1 - (1 - report.asked.confidence) / 2) + ' confidence; asked was ' +
                 accuracy(report.asked.accuracy) + ' with ' + level(report.asked.confidence) + '.'));
    }
    if (why.advice && why.advice.length) node.append(list(why.advice));
  }
  if (report.policy) node.append(key_figures(chosen));
  return node;
}
function key_figures(chosen) {
  const tile = (name, value, note) =>
      el('div', {}, el('dt', {}, name), el('dd', {class: 'value'}, value), el('dd', {class: 'note'}, note));
  const cost = report.cost, whole = report.coverage >= 1;
  return el(
      'dl', {class: 'figures'},
      tile(
          'Answered locally', whole ? '100 %' : answered(report.coverage),
          whole ? 'nothing goes to the large model' : escalated(report.coverage) + ' go to the large model'),
      tile('Right among them', accuracy(report.selective_accuracy), 'asked: ' + accuracy(report.asked.accuracy)),
      tile(
          'Time a row', chosen ? time(chosen.us_p50) : '-',
          chosen ? 'p99 ' + time(chosen.us_p99) + ', one thread' : 'nothing chosen'),
      tile(
          'A million rows', dollars(cost.policy_usd_per_million, cost.policy_usd_per_million),
          cost.large_usd_per_million > 0 ?
              'large model alone: ' + dollars(cost.large_usd_per_million, cost.large_usd_per_million) :
              'own compute'));
}
function ladder() {
  if (!report.rungs.length) return null;
  const majority = report.rungs.find((rung) => rung.rung === 'majority');
  const prices = report.rungs.map((rung) => rung.usd_per_million).filter((usd) => usd > 0);
  const smallest = prices.length ? Math.min(...prices) : 0;
  const name = (rung) =>
      [foreign(rung.rung, 60), rung.blended ? el('span', {class: 'muted'}, ' blended') : null,
       rung.chosen ? el('span', {class: 'tag'}, 'chosen') : null];
  const rows = report.rungs.map(
      (rung) =>
          [name(rung), accuracy(rung.accuracy), accuracy(rung.accuracy_low) + ' .. ' + up(rung.accuracy_high, 3),
           accuracy(rung.macro_f1), time(rung.us_p50), time(rung.us_p99), bytes(rung.bytes),
           rung.memory_mb > 0 ? Math.ceil(rung.memory_mb) + ' MB' : '-', seconds(rung.train_seconds),
           rung.runs.length ? dollars(rung.usd_per_million, smallest) : '-']);
  const columns = [
    ['rung', ''], ['accuracy', 'number'], ['95 % interval', 'range'], ['macro-F1', 'number'], ['p50', 'number'],
    ['p99', 'number'], ['size', 'number'], ['memory', 'number'], ['trained', 'number'], ['per 1M', 'number']
  ];
  const caption = 'Every held-out row answered locally; bars are 95 % intervals.' +
      (majority ? ' Always answering the most frequent label: ' + accuracy(majority.accuracy) + '.' : '');
  return section(
      'ladder', 'What each rung can do',
      'From smallest to largest, on ' + plural(report.split.certify.units, 'held-out row', 'held-out rows') +
          '. Prices are own compute for a million rows.',
      measured.length ? card(figure(
                            'Accuracy against median time a row for each rung; the table below has the figures',
                            caption, ladder_chart)) :
                        null,
      card(table('Rungs, measured', columns, rows, report.rungs.map((rung) => rung.chosen ? 'chosen' : ''))));
}
function sureness() {
  const parts = [];
  if (report.curves.length) {
    const rows = report.curves.map((curve) => {
      const at = (share) => {
        const i = curve.coverage.findIndex((x) => x >= share - 1e-9);
        return i < 0 ? '-' : up(curve.risk[i] * 100, 1) + ' %';
      };
      return [foreign(curve.name, 60), at(0.5), at(0.7), at(0.8), at(0.9), at(0.95), at(1)];
    });
    parts.push(card(
        el('h3', {}, 'Answering less, erring less'),
        figure(
            'Share of wrong answers against share of rows answered, one line for each family of policies',
            'Lines: out-of-fold scores of the tuning rows. Dot: the policy on the held-out rows.', curves_chart,
            as_table(
                'Wrong among the answers, by share answered',
                [['policy', '']].concat(
                    ['50 %', '70 %', '80 %', '90 %', '95 %', '100 %'].map((head) => [head, 'number'])),
                rows))));
  }
  if (report.reliability.length) {
    parts.push(card(
        el('h3', {}, 'Does confidence mean what it says?'),
        figure(
            'Share of right answers against confidence',
            'On the dashed line, answers given with confidence 0.8 are right 8 times in 10.', reliability_chart,
            as_table(
                'Reliability', [['confidence', 'number'], ['right', 'number'], ['rows', 'number']],
                report.reliability.map((bin) => [down(bin.confidence, 3), accuracy(bin.accuracy), count(bin.rows)])))));
  }
  return parts.length ?
      section('sureness', 'How sure it is', null, el('div', {class: parts.length > 1 ? 'pair' : ''}, parts)) :
      null;
}
function certificate() {
  const proof = report.certificate;
  if (!proof) return null;
  const parts =
      [card(
          el('p', {}, foreign(proof.statement, 4000)),
          facts(
              [
                ['Held-out rows', count(proof.n_units)],
                ['Answered locally', count(proof.n_answered) + ' (' + answered(proof.coverage) + ')'],
                [proof.risk === 'all' ? 'Wrong, of all rows' : 'Wrong', count(proof.errors)], ['Lower bound', down(proof.lower_bound, 4)],
                ['p-value', known(proof.p_value) ? proof.p_value.toPrecision(2) : '-'],
                ['Method', foreign(proof.method, 400)], ['Policies in the list', count(proof.candidates)],
                ['Attempts on this split', count(proof.attempts)], ['Unit', foreign(report.split.unit, 200)],
                ['Precision', foreign(proof.precision)],
                ['Bundle SHA-256', proof.bundle_sha256 ? el('code', {}, clip(proof.bundle_sha256, 64)) : null]
              ],
              true))];
  if (proof.targets.length) {
    const share = (hits, n) => n > 0 ? accuracy(hits / n) + ' (' + count(hits) + ' of ' + count(n) + ')' : '-';
    parts.push(card(
        el('h3', {}, 'Targets for single labels'),
        table(
            'Targets for single labels',
            [
              ['label', 'label'], ['target', ''], ['asked', 'number'], ['held out', 'number'],
              ['answered locally', 'number'], ['p-value', 'number']
            ],
            proof.targets.map(
                (target) =>
                    [foreign(target.label), target.kind, level(target.target), share(target.hits, target.n),
                     target.local ? share(target.local.hits, target.local.n) : '-',
                     known(target.p_value) ? target.p_value.toPrecision(2) : '-'])),
        el('p', {class: 'muted'}, 'For recall, a row sent to the large model counts as found.')));
  }
  const lists = [];
  if (proof.assumptions.length)
    lists.push(card(el('h3', {}, 'It holds under these assumptions'), list(proof.assumptions)));
  if (proof.not_claimed.length) lists.push(card(el('h3', {}, 'Not claimed'), list(proof.not_claimed)));
  if (lists.length) parts.push(el('div', {class: lists.length > 1 ? 'pair' : ''}, lists));
  return section('certificate', 'The certificate', null, el('div', {class: 'cards'}, parts));
}
function errors() {
  const parts = [];
  if (report.confusions.length) {
    parts.push(card(
        el('h3', {}, 'Labels it mixes up'),
        shortened(
            'Labels it mixes up', [['the label is', 'label'], ['it answers', 'label'], ['rows', 'number']],
            (from, to) => report.confusions.slice(from, to).map(
                (pair) => [foreign(pair.truth, 80), foreign(pair.answer, 80), count(pair.rows)]),
            report.confusions.length, 10),
        el('p', {class: 'muted'}, 'Out-of-fold on the rows for fitting and tuning; at most 20 pairs, the most frequent.')));
  }
  if (report.classes.length) {
    const worst = report.classes.slice().sort((a, b) => a.f1 - b.f1);
    parts.push(card(
        el('h3', {}, 'Label by label, weakest first'),
        shortened(
            'Label by label',
            [['label', 'label'], ['precision', 'number'], ['recall', 'number'], ['F1', 'number'], ['rows', 'number']],
            (from, to) => worst.slice(from, to).map(
                (c) =>
                    [foreign(c.label, 80), accuracy(c.precision), accuracy(c.recall), accuracy(c.f1), count(c.units)]),
            worst.length, 10),
        el('p', {class: 'muted'}, 'On the held-out rows.')));
  }
  return parts.length ?
      section('errors', 'Where it errs', null, el('div', {class: parts.length > 1 ? 'pair' : ''}, parts)) :
      null;
}
function notable() {
  const part = (title, note, rows, last, value) => {
    if (!rows.length) return null;
    const texts = rows.some((row) => row.text);
    const columns = [['line', 'number']].concat(
        texts ? [['text', 'text']] : [], [['label in the file', 'label'], ['it answers', 'label'], [last, 'number']]);
    return card(
        el('h3', {}, title), el('p', {class: 'muted'}, note),
        table(title, columns, rows.map((row) => [count(row.line)].concat(texts ? [foreign(row.text || '', 300)] : [], [
          foreign(row.label, 80), foreign(row.answer, 80), value(row)
        ]))));
  };
  const parts = [
    part(
        'Likely wrong labels',
        'The model is sure of another label. Look here first: a corrected label helps training and measuring.',
        report.label_errors, 'its own label', (row) => down(row.label_probability, 4)),
    part(
        'Hardest rows', 'Rows it gets wrong or is least sure about.', report.hardest, 'confidence',
        (row) => down(row.confidence, 3))
  ];
  return parts.some(Boolean) ?
      section(
          'rows', 'Rows worth a look',
          'By predictions from models that never saw the row. Held-out rows are not shown.', parts) :
      null;
}
function data_facts(d, s) {
  const part = (p) =>
      plural(p.rows, 'row', 'rows') + (p.units !== p.rows ? ' (' + plural(p.units, 'unit', 'units') + ')' : '');
  const sizes = d.labels.map((label) => label.rows);
  const pairs = d.conflicts.slice(0, 5).map((lines) => count(lines[0]) + ' and ' + count(lines[1])).join('; ');
  const few = s.labels_too_few.slice(0, 20).map((label) => clip(label, 60)).join(', ') +
      (s.labels_too_few.length > 20 ? ' and ' + count(s.labels_too_few.length - 20) + ' more' : '');
  const words = [[d.words.p50, ' (median), '], [d.words.p95, ' (95 of 100), '], [d.words.max, ' (longest)']];
  const extremes = () => count(Math.max(...sizes)) + ' and ' + plural(Math.min(...sizes), 'row', 'rows');
  const certify = [
    part(s.certify) + (s.certify_path ? ' of ' : ''), s.certify_path ? foreign(s.certify_path, 300) : null,
    s.rows_unused > 0 ? '; one row a unit, ' + plural(s.rows_unused, 'further row does', 'further rows do') + ' not count' :
                        null
  ];
  const cut = plural(report.rows_cut, 'held-out row', 'held-out rows');
  return facts([
    ['File', foreign(d.path, 300)],
    ['Rows', count(d.rows)],
    ['Labels', count(d.labels.length)],
    ['Words a row', words.map(([value, which]) => down(value, 0) + which).join('')],
    ['Largest and smallest label', sizes.length ? extremes() : null],
    ['Repeated texts', count(d.rows_repeated)],
    ['Same text, another label', count(d.rows_conflicting) + (pairs ? ' (lines ' + pairs + ')' : '')],
    ['Empty texts', count(d.rows_empty)],
    [
      report.tokens_max > 0 ? 'Cut at ' + count(report.tokens_max) + ' tokens' : 'Too long to be read whole',
      report.tokens_max > 0 || report.rows_cut > 0 ? cut : null,
    ],
    ['Unit', foreign(s.unit, 200)],
    ['Fit', part(s.fit)],
    ['Tune', part(s.tune)],
    ['Certify', certify],
    ['Too few rows to measure', few ? foreign(few, 1600) : null],
    ['SHA-256', el('code', {}, clip(d.sha256, 64))],
  ]);
}
function data() {
  const d = report.data, remarks = d.warnings.concat(report.notes);
  const label_row = (label) => [foreign(label.label, 80), count(label.rows), count(label.units)];
  const columns = [['label', 'label'], ['rows', 'number'], ['distinct', 'number']];
  const labels = shortened(
      'Rows of each label', columns, (from, to) => d.labels.slice(from, to).map(label_row), d.labels.length, 12);
  return section(
      'data', 'The data and how it was divided', null,
      el('div', {class: 'pair'}, card(data_facts(d, report.split)), card(el('h3', {}, 'Rows of each label'), labels)),
      remarks.length ? el('div', {class: 'card remarks'}, el('h3', {}, 'Remarks'), list(remarks)) : null);
}
function cost_note() {
  const c = report.cost;
  const by_hand = [c.large_model, c.price_date].some((text) => text && text.startsWith('--'));
  const source = by_hand ?
      'the price given by --large-usd-per-1k-rows' :
      c.large_model ?
      [
        foreign(c.large_model, 80), ', price of ', foreign(c.price_date || '-', 40),
        ', ' + down(c.tokens_in_per_row, 0) + ' tokens in and ' + down(c.tokens_out_per_row, 0) + ' out a row'
      ] :
      'no price';
  return [].concat(
      'Own compute at $' + (known(c.usd_per_core_hour) ? Number(c.usd_per_core_hour.toPrecision(3)) : '-') +
          ' a core-hour; large model: ',
      source, '.');
}

document.title = 'Report: ' + document.title.replace(/: report$/, '');
const name = report.data.path.split('/').pop() || report.data.path;
page.append(
    ...[el('header', {}, el('p', {class: 'eyebrow'}, 'smidgen pick'), el('h1', {}, foreign(name, 120)),
           el('p', {class: 'muted'},
              plural(report.data.rows, 'row', 'rows') + ', ' + plural(report.data.labels.length, 'label', 'labels') +
                  '. Asked: ' + level(report.asked.accuracy) + ' right' +
                  (report.asked.risk === 'all' ? ' of all answers' : ' of the answers given locally') + ', with ' +
                  level(report.asked.confidence) + ' confidence.')),
        verdict(), ladder(), sureness(), certificate(), errors(), notable(), data(),
        el('footer', {}, el('p', {}, cost_note()),
           el('p', {}, 'Made by smidgen ', foreign(report.version, 40), ' in ' + seconds(report.seconds) + ' on ',
              foreign(report.machine, 200), ', seed ' + report.seed + '.'))]
        .filter(Boolean));

const scheme = window.matchMedia('(prefers-color-scheme: dark)');
const on_screen = () => draw(scheme.matches ? dark : light);
on_screen();
scheme.addEventListener('change', on_screen);
window.addEventListener('beforeprint', () => draw(light));
window.addEventListener('afterprint', on_screen);
})();
