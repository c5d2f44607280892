// Numbers, sizes, times and shares for people.

const LANGUAGE = "en-GB";
/** Between a number and its unit, which are not torn apart. */
const GAP = "\u00a0";
const whole = new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: 0 });

export function count(value: number): string {
  return whole.format(value);
}

/** A number of things, as `1 picture` or `2 pictures`. */
export function many(n: number, one: string, several = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : several}`;
}

export function share(value: number, digits = 1): string {
  return `${value === 0 ? "0" : (100 * value).toFixed(digits)}${GAP}%`;
}

export function decimal(value: number, digits = 3): string {
  return value.toLocaleString(LANGUAGE, { maximumFractionDigits: digits });
}

/** An end of a scale: years are read without a comma. */
export function endOf(value: number, low: number, high: number): string {
  const years = low >= 1000 && high < 3000;
  return years ? String(Math.round(value)) : decimal(value, 2);
}

export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  let value = bytes;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${at === 0 ? whole.format(value) : value.toPrecision(3)}${GAP}${units[at]}`;
}

export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)}${GAP}ms`;
  if (seconds < 120) return `${decimal(seconds, 1)}${GAP}s`;
  if (seconds < 7200) return `${decimal(seconds / 60, 0)}${GAP}min`;
  if (seconds < 172800) return `${decimal(seconds / 3600, 1)}${GAP}h`;
  return `${decimal(seconds / 86400, 0)}${GAP}days`;
}

export function moment(text: string | null | undefined): string {
  if (!text) return "not known";
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  return at.toLocaleString(LANGUAGE, { dateStyle: "medium", timeStyle: "short" });
}

export function day(text: string): string {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  return at.toLocaleDateString(LANGUAGE, { day: "numeric", month: "short" });
}

/** Days of several moments, with the time where a day has more than one; `otherwise` where there is none. */
export function days(moments: (string | null | undefined)[], otherwise: (k: number) => string): string[] {
  const plain = moments.map((text, k) => (text ? day(text) : otherwise(k)));
  return plain.map((label, k) => {
    const at = new Date(moments[k] ?? "");
    const isAlone = plain.indexOf(label) === plain.lastIndexOf(label);
    if (isAlone || Number.isNaN(at.getTime())) return label;
    return `${label} ${at.toLocaleTimeString(LANGUAGE, { hour: "2-digit", minute: "2-digit" })}`;
  });
}

export function money(dollars: number): string {
  return dollars < 0.01 && dollars > 0 ? `under $${GAP}0.01` : `$${GAP}${dollars.toFixed(2)}`;
}

/** What a report says, as a sentence. */
export function sentence(text: string): string {
  const end = /[.!?]$/.test(text) ? "" : ".";
  return text.charAt(0).toUpperCase() + text.slice(1) + end;
}

export function words(name: string): string {
  return name.replace(/[_-]/g, " ");
}
