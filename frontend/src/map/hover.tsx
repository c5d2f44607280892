// The card of the picture that is pointed at.

import { Thumb } from "../ui";
import type { Atlas } from "./atlas";

export interface Hover {
  row: number;
  x: number;
  y: number;
  id: string;
}

export async function point(atlas: Atlas | null, row: number, x: number, y: number, set: (hover: Hover | null) => void) {
  if (!atlas || row < 0) return set(null);
  set({ row, x, y, id: await atlas.picId(row) });
}

export function HoverCard({ hover, atlas, colour }: { hover: Hover; atlas: Atlas | null; colour: string }) {
  const label = atlas?.text(colour, hover.row);
  const left = hover.x > innerWidth / 2 - 100;
  return (
    <div class={`hover${left ? " left" : ""}${hover.y > innerHeight * 0.6 ? " up" : ""}`} style={{ left: `${hover.x}px`, top: `${hover.y}px` }} role="status">
      <Thumb id={hover.id} />
      <b>{hover.id}</b>
      {label && <small>{`${atlas?.column(colour)?.title}: ${label}`}</small>}
    </div>
  );
}
