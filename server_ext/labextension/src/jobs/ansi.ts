/** Text for a terminal as coloured pieces, with the classes of JupyterLab's own outputs. Pure. */

export interface ISpan {
  text: string;
  /** Class names; empty: plain. */
  look: string;
}

/** What is switched on: `fg` and `bg` are names of colours. */
export interface ILook {
  fg: string;
  bg: string;
  bold: boolean;
  underline: boolean;
}

export const PLAIN: ILook = { fg: '', bg: '', bold: false, underline: false };

const COLOURS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
const CODES = /\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g;
const INVISIBLE = /[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]/g;

/** One line: its pieces, and what stays switched on after it. A progress bar is as it was drawn last. */
export function read(line: string, before: ILook): { spans: ISpan[]; after: ILook } {
  const spans: ISpan[] = [];
  const shown = line.replace(/\r+$/, '').split('\r').pop() ?? '';
  let look = before;
  let from = 0;
  const add = (text: string): void => {
    const visible = text.replace(INVISIBLE, '·');
    if (visible) {
      spans.push({ text: visible, look: classes(look) });
    }
  };
  for (const found of shown.matchAll(CODES)) {
    add(shown.slice(from, found.index));
    from = (found.index ?? 0) + found[0].length;
    if (found[2] === 'm') {
      look = switched(look, found[1]);
    }
  }
  add(shown.slice(from));
  return { spans, after: look };
}

function switched(before: ILook, codes: string): ILook {
  const numbers = codes.split(';').map(Number);
  let look = { ...before };
  for (let at = 0; at < numbers.length; at += 1) {
    const code = numbers[at];
    if (code === 38 || code === 48) {
      at += numbers[at + 1] === 2 ? 4 : 2; // of 256 or more colours none is the theme's
    } else if (code === 0) {
      look = { ...PLAIN };
    } else if (code === 1 || code === 22) {
      look.bold = code === 1;
    } else if (code === 4 || code === 24) {
      look.underline = code === 4;
    } else if (code === 39 || code === 49) {
      look[code === 39 ? 'fg' : 'bg'] = '';
    } else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) {
      look.fg = COLOURS[code % 10] + (code >= 90 ? '-intense' : '');
    } else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) {
      look.bg = COLOURS[code % 10] + (code >= 100 ? '-intense' : '');
    }
  }
  return look;
}

function classes({ fg, bg, bold, underline }: ILook): string {
  const names = [fg && `ansi-${fg}-fg`, bg && `ansi-${bg}-bg`, bold && 'ansi-bold', underline && 'ansi-underline'];
  return names.filter(Boolean).join(' ');
}
