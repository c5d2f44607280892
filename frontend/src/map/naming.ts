// Whose names stand on the map: groups, regions or none.

import type { RegionLevel } from "../types";
import type { Atlas } from "./atlas";

/** What can give the map its names. */
export function namings(atlas: Atlas, colour: string): { value: string; text: string }[] {
  const groups = ["cluster", "category", ...(colour === "prediction" ? ["prediction"] : [])];
  return [
    ...(regionsOf(atlas).length ? [{ value: "region", text: "Regions" }] : []),
    ...groups.filter((one) => atlas.column(one)).map((one) => ({ value: one, text: atlas.column(one)!.title })),
    { value: "none", text: "No names" },
  ];
}

/** Whose names stand on the map: what a person chose, else the groups that colour it, regions, clusters or categories. */
export function namedBy(atlas: Atlas, colour: string, chosen: string): string {
  const offered = namings(atlas, colour).map((one) => one.value);
  if (offered.includes(chosen)) return chosen;
  if (["prediction", "cluster"].includes(colour) && atlas.column(colour)) return colour;
  return offered[0];
}

export function regionsOf(atlas: Atlas): RegionLevel[] {
  return atlas.info.regions ?? [];
}
