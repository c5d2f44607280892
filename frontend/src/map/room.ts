// How much room the map has: what of the canvas is not behind panels, tools and the status line.

import type { Screen } from "./picking";

/** Part of a canvas in CSS pixels from its upper left corner. */
export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** A canvas, and the part of it that nothing covers. */
export interface Frame extends Screen {
  free: Box;
}

/** Pictures stand around their points: so much is left free at each side, and at most this share. */
const EDGE = 48;
const EDGE_SHARE = 0.11;
/** Less room than this is none: a panel that covers all of the map does not shrink it to a dot. */
const LEAST = 60;

export const widthOf = (box: Box) => box.right - box.left;
export const heightOf = (box: Box) => box.bottom - box.top;
const area = (box: Box) => widthOf(box) * heightOf(box);
export const middleOf = (box: Box) => ({ x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2 });
export const holds = (box: Box, x: number, y: number) => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;

/** Where points may lie so that their pictures are whole. */
export function inner(free: Box): Box {
  const edge = Math.min(EDGE, EDGE_SHARE * Math.min(widthOf(free), heightOf(free)));
  return { left: free.left + edge, top: free.top + edge, right: free.right - edge, bottom: free.bottom - edge };
}

/** What is left of a canvas beside the elements that lie on it. */
export function frameOf(canvas: Element, covers: Iterable<Element>): Frame {
  const at = canvas.getBoundingClientRect();
  const [width, height] = [Math.max(1, at.width), Math.max(1, at.height)];
  const whole: Box = { left: 0, top: 0, right: width, bottom: height };
  const boxes = Array.from(covers, (cover) => {
    const { left, top, right, bottom } = cover.getBoundingClientRect();
    return { left: left - at.left, top: top - at.top, right: right - at.left, bottom: bottom - at.top };
  });
  // A status line above a panel belongs to the side that the panel is on: the panel comes first.
  const ordered = boxes.filter((one) => area(one) > 0).sort((a, b) => area(b) - area(a));
  return { width, height, free: ordered.reduce(beside, whole) };
}

/** The largest part of a box that another does not touch. */
function beside(free: Box, cover: Box): Box {
  if (cover.left >= free.right || cover.right <= free.left || cover.top >= free.bottom || cover.bottom <= free.top) return free;
  const parts = [
    { ...free, right: cover.left },
    { ...free, left: cover.right },
    { ...free, bottom: cover.top },
    { ...free, top: cover.bottom },
  ].filter((one) => widthOf(one) >= LEAST && heightOf(one) >= LEAST);
  return parts.reduce((best, one) => (area(one) > area(best) ? one : best), parts[0] ?? free);
}
