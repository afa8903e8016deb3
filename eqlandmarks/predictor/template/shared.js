'use strict';

// What both pages need: themes, messages, storage, tables and downloads.

const root = document.documentElement;
const data = JSON.parse(document.getElementById('data').textContent);
const $ = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value !== null) node.setAttribute(name, value);
  }
  // Strings become text: names are never HTML.
  node.append(...children);
  return node;
}

function say(text) {
  $('said').textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { $('said').textContent = ''; }, 3000);
}

function startTheme() {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const set = (isDark) => { root.dataset.theme = isDark ? 'dark' : 'light'; };
  set(dark.matches);
  dark.addEventListener('change', () => set(dark.matches));
  $('theme').addEventListener('click', () => {
    set(root.dataset.theme !== 'dark');
    dispatchEvent(new Event('themechange'));
  });
}

// Some browsers have no storage for pages opened from disk.
const store = {
  load(key) {
    try {
      return JSON.parse(localStorage.getItem(key));
    } catch {
      return null;
    }
  },
  save(key, value) {
    try {
      localStorage.setItem(key, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  },
};

const number = (value) => String(Number(value.toFixed(4)));

function csv(rows) {
  const quote = (c) =>
    (/[",\r\n]/.test(c) ? `"${c.replaceAll('"', '""')}"` : c);
  return rows.map((row) => row.map(quote).join(',')).join('\n') + '\n';
}

function download(name, blob) {
  const link = make('a', {href: URL.createObjectURL(blob), download: name});
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// A name that label files can hold, or what is wrong with it.
function nameFault(name, others) {
  if (!name) return 'A point needs a name.';
  if (/[\p{C}\p{Zl}\p{Zp}]|[^\S ]/u.test(name)) {
    return 'A name is text on one line.';
  }
  return others.includes(name) ? 'There is a point of this name already.' : '';
}

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
