// The round trips: a line over the last messages, and a histogram of them.

import {$} from "./util.js";

const mostSamples = 120, bins = 20;
const left = 54, right = 392; // of the plots, in units of their view boxes
const samples = [];

export function reset() {
  samples.length = 0;
  $("rtt").textContent = "";
  $("timing-charts").hidden = true;
  $("timing-empty").hidden = false;
}

export function sample(ms) {
  samples.push(ms);
  if (samples.length > mostSamples) samples.shift();
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  $("rtt").textContent = `last ${short(ms)}, median ${short(at(0.5))}, p95 ${short(at(0.95))} ms`;
  $("timing-charts").hidden = false;
  $("timing-empty").hidden = true;
  draw(sorted);
}

const short = (v) => v < 10 ? v.toFixed(1) : v.toFixed(0);

// nice rounds up to 1, 2 or 5 times a power of ten, from 0.1 on.
function nice(v) {
  for (let unit = 0.1; ; unit *= 10) {
    for (const step of [1, 2, 5]) if (v <= step * unit * 1.0001) return step * unit;
  }
}

const label = (v) => String(+v.toPrecision(3));

function node(name, attributes, text) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  if (text !== undefined) e.textContent = text;
  return e;
}

// axis returns lines and labels for the values 0, half and top at the left of a plot.
function axis(top, upper, lower, unit) {
  return [0, top / 2, top].flatMap((v) => {
    const y = lower - (lower - upper) * v / top;
    return [
      node("line", {x1: left, x2: right, y1: y, y2: y}),
      node("text", {x: left - 6, y: y + 4, "text-anchor": "end"}, label(v) + unit),
    ];
  });
}

function draw(sorted) {
  const step = (right - left) / (Math.max(samples.length, 20) - 1);
  const top = nice(sorted[sorted.length - 1]);
  const points = samples.map((v, i) => `${(left + i * step).toFixed(1)},${(98 - 88 * v / top).toFixed(1)}`).join(" ");
  $("chart").replaceChildren(
    ...axis(top, 10, 98, " ms"), node("polyline", {id: "line", points}),
    node("text", {x: left, y: 114}, "oldest"), node("text", {x: right, y: 114, "text-anchor": "end"}, `the last ${samples.length}`));

  const counts = new Array(bins).fill(0);
  for (const v of samples) counts[Math.min(bins - 1, Math.floor(v / top * bins))]++;
  const most = Math.max(2, ...counts), width = (right - left) / bins;
  const bars = counts.map((n, i) => node("rect", {x: left + i * width + 1, width: width - 2, y: 78 - 68 * n / most, height: 68 * n / most}));
  const marks = [0, top / 2, top].map((v) => node("text",
    {x: left + (right - left) * v / top, y: 94, "text-anchor": v === 0 ? "start" : v === top ? "end" : "middle"}, label(v) + " ms"));
  $("histogram").replaceChildren(...axis(most % 2 ? most + 1 : most, 10, 78, ""), ...bars, ...marks);
}
