// One picture beside the map: what it is, where it came from, what is near it.

import { useEffect, useState } from "preact/hooks";
import { source } from "../data";
import { useJson } from "../load";
import { BigPicture, Lineage } from "../pages/pictures";
import { link } from "../route";
import type { About, PictureRow, Similar } from "../types";
import { Empty, Shown, Thumb } from "../ui";
import type { Atlas } from "./atlas";
import { around } from "./picking";

const SHOWN = ["category", "prediction", "correctness", "confidence", "outlier", "cluster", "batch", "sampled", "placement", "blur", "brightness", "contrast"];

export function Detail(props: {
  id: string;
  atlas: Atlas;
  about: About;
  mask: Uint8Array;
  onShow: (id: string) => void;
  onClose: () => void;
  onChoose: (ids: string[], by: string) => Promise<void>;
}) {
  const { id, atlas, about } = props;
  const path = `pictures/${encodeURIComponent(id)}`;
  const row = useJson<PictureRow>(source.exported ? null : path);
  const like = useJson<Similar>(about.similar && !source.exported ? `${path}/similar` : null);
  const [facts, setFacts] = useState<[string, string][]>([]);
  const [near, setNear] = useState<string[]>([]);
  useEffect(() => {
    let wanted = true;
    const look = async () => {
      const at = await atlas.rowOf(id);
      if (at < 0) return wanted && (setFacts([]), setNear([]));
      const names = SHOWN.filter((name) => atlas.column(name));
      await Promise.all([...names, "source"].map((name) => atlas.codes(name)));
      const found = [...names, "source"].map((name): [string, string] => [atlas.column(name)!.title, atlas.text(name, at) ?? ""]);
      const beside = await atlas.picIds(around(atlas.positions, atlas.dims, props.mask, at, 8));
      if (wanted) {
        setFacts(found);
        setNear(beside);
      }
    };
    void look();
    return () => {
      wanted = false;
    };
  }, [id, atlas, props.mask]);
  return (
    <section class="detail" aria-label={`Picture ${id}`}>
      <header>
        <h2>{id}</h2>
        <button class="plain" onClick={props.onClose} aria-label="Close the picture">
          ×
        </button>
      </header>
      <BigPicture id={id} about={about} />
      <dl class="facts">
        {facts.map(([title, value]) => (
          <>
            <dt>{title}</dt>
            <dd>{value}</dd>
          </>
        ))}
      </dl>
      {like.value && like.value.pictures.length > 0 && (
        <>
          <h3>
            Looks like{" "}
            <button class="plain" onClick={() => props.onChoose([id, ...like.value!.pictures.map((p) => p.pic_id)], `nearest to ${id}`)}>
              choose them
            </button>
          </h3>
          <Strip ids={like.value.pictures.map((p) => p.pic_id)} onShow={props.onShow} />
        </>
      )}
      {near.length > 0 && (
        <>
          <h3>Beside it on the map</h3>
          <Strip ids={near} onShow={props.onShow} />
        </>
      )}
      {!source.exported && (
        <details open>
          <summary>Where it came from</summary>
          <Shown of={row} absent={<Empty what="The ledger does not know it." />}>
            {(found) => <Lineage row={found} />}
          </Shown>
          <a href={link("pictures", { id })}>Its own page</a>
        </details>
      )}
    </section>
  );
}

export function Strip(props: { ids: string[]; notes?: string[]; onShow: (id: string) => void }) {
  return (
    <div class="strip">
      {props.ids.map((id, k) => (
        <button class="tile" onClick={() => props.onShow(id)} aria-label={`Show ${id}`}>
          <Thumb id={id} />
          {props.notes && <small>{props.notes[k]}</small>}
        </button>
      ))}
    </div>
  );
}
