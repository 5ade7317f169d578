// Small things that all parts of the page need.

export const $ = (id) => document.getElementById(id);

const encoder = new TextEncoder();
export const utf8 = (text) => encoder.encode(text);

export function element(name, className, text) {
  const e = document.createElement(name);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

export function clock(at) {
  return at.toLocaleTimeString([], {hour12: false}) + "." + String(at.getMilliseconds()).padStart(3, "0");
}

export function byteSize(n) {
  if (n < 1024) return `${n} B`;
  for (const unit of ["KiB", "MiB", "GiB"]) {
    n /= 1024;
    if (n < 1024) return `${n.toFixed(n < 10 ? 1 : 0)} ${unit}`;
  }
}

export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], {type}));
  const a = element("a");
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
