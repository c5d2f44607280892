// Twelve colours for names, viridis for numbers. The twelve follow Okabe and Ito's set
// (jfly.uni-koeln.de/color), made to be seen on a light and on a dark page: each has a contrast of at
// least 2.3 to both. The pictures of maps have the same (src/naturalist/studies/maps/picture.py).

export type Rgb = [number, number, number];

const NAMED: Rgb[] = [
  [0, 158, 115],
  [221, 132, 0],
  [0, 114, 190],
  [208, 110, 175],
  [196, 62, 20],
  [80, 165, 230],
  [140, 125, 0],
  [120, 85, 215],
  [130, 80, 60],
  [0, 135, 150],
  [190, 20, 110],
  [120, 185, 40],
];
const VIRIDIS: Rgb[] = [
  [68, 1, 84],
  [71, 44, 122],
  [59, 81, 139],
  [44, 113, 142],
  [33, 144, 141],
  [39, 173, 129],
  [92, 200, 99],
  [170, 220, 50],
  [253, 231, 37],
];
const UNKNOWN: Rgb = [150, 150, 150];
export const UNKNOWN_CODE = 255;
/** Colours for names, before they repeat: the twelve, lighter ones, darker ones. */
export const CYCLE = 36;

/** Colour of the n-th name; after the twelve of the set come lighter and darker ones. */
export function named(n: number): Rgb {
  const [base, round] = [NAMED[n % NAMED.length], Math.floor((n % CYCLE) / NAMED.length)];
  if (round === 0) return base;
  const towards = round === 1 ? 255 : 0;
  return base.map((v) => Math.round(v + (towards - v) * 0.38)) as Rgb;
}

/** Colour of a share from 0 to 1. */
export function scale(share: number): Rgb {
  const at = Math.min(1, Math.max(0, share)) * (VIRIDIS.length - 1);
  const low = Math.min(VIRIDIS.length - 2, Math.floor(at));
  const part = at - low;
  return VIRIDIS[low].map((v, k) => Math.round(v + (VIRIDIS[low + 1][k] - v) * part)) as Rgb;
}

/** Colour of a category: that of its place in the order of labels, on every page. */
export function categoryColour(name: string, order: string[]): string {
  return css(named(Math.max(0, order.indexOf(name))));
}

export function css([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`;
}

/** 256 RGBA colours: names in cycles, or 254 steps of a scale; the last one is for unknown. */
export function paletteOf(kind: "code" | "scale"): Uint8Array {
  const bytes = new Uint8Array(256 * 4);
  for (let k = 0; k < 256; k++) {
    const colour = k === UNKNOWN_CODE ? UNKNOWN : kind === "code" ? named(k) : scale(k / 254);
    bytes.set([...colour, 255], 4 * k);
  }
  return bytes;
}

export function paletteIndex(code: number, missing: number): number {
  return code === missing ? UNKNOWN_CODE : code % CYCLE;
}
