// Pictures: browse and filter every file that was ever seen; one picture; duplicates side by side.

import { useEffect, useState } from "preact/hooks";
import { api, source } from "../data";
import { OwnPicture, Upload, useDropped } from "../dropped";
import { count, many, size, words } from "../format";
import { useJson, useNewest } from "../load";
import { PickedBar, type Picked, usePicked } from "../review/picking";
import { link, remember } from "../route";
import type { About, DuplicateGroups, FileRow, Files, PictureRow, Similar } from "../types";
import { Card, Empty, leftOut, Notice, PictureTile, Select, Shown, Thumb, Trouble } from "../ui";

type Facets = Record<string, { name: string | number; files: number }[]>;
const KEYS = ["category", "source", "outcome", "reason", "batch"];
const PER_PAGE = 60;

/** Whether a filter lets any file through; one without a value does. */
const isHere = (facets: Facets, key: string, value: string | undefined) => !value || facets[key].some((one) => String(one.name) === value);

export function PicturesPage(props: { query: Record<string, string>; about: About }) {
  if (props.query.id) return <OnePicture id={props.query.id} about={props.about} />;
  if (props.query.view === "duplicates") return <Duplicates />;
  return <Browse query={props.query} about={props.about} />;
}

const SORTS = [
  { value: "", text: "category and id" },
  { value: "newest", text: "newest first" },
  { value: "most-pixels", text: "most pixels first" },
  { value: "fewest-pixels", text: "fewest pixels first" },
  { value: "most-bytes", text: "largest file first" },
  { value: "fewest-bytes", text: "smallest file first" },
];
const SIZES = [
  { value: "small", text: "small" },
  { value: "", text: "medium" },
  { value: "large", text: "large" },
];

function Browse(props: { query: Record<string, string>; about: About }) {
  const [wanted, setWanted] = useState(props.query);
  const facets = useJson<Facets>("facets");
  useEffect(() => setWanted(props.query), [props.query]);
  const [notice, setNotice] = useState("");
  useEffect(() => {
    if (!facets.value) return;
    const unknown = KEYS.filter((key) => !isHere(facets.value!, key, props.query[key]));
    setNotice(leftOut(unknown.map((key) => `${key} ${props.query[key]}`)));
    if (unknown.length) setWanted({ ...props.query, ...Object.fromEntries(unknown.map((key) => [key, ""])) });
  }, [facets.value, props.query]);
  const picked = usePicked();
  const own = useDropped(props.about, useNewest());
  const change = (name: string, value: string) => {
    const page = name === "page" ? value : name === "size" ? wanted.page : "";
    const next = { ...wanted, [name]: value, page };
    setWanted(next);
    remember("pictures", next);
  };
  const page = Number(wanted.page || 1);
  const asked = new URLSearchParams();
  for (const key of KEYS) if (wanted[key]) asked.set(key, wanted[key]);
  if (wanted.text) asked.set("text", wanted.text);
  const filter = asked.toString();
  if (wanted.sort) asked.set("sort", wanted.sort);
  asked.set("limit", String(PER_PAGE));
  asked.set("offset", String((page - 1) * PER_PAGE));
  const found = useJson<Files>(
    source.exported ? null : `pictures?${asked.toString()}`,
  );
  if (source.exported) {
    return (
      <div class="page">
        <h1>Pictures</h1>
        <Empty what="An exported copy has the pictures of the map, clusters and duplicates. `naturalist dashboard` shows every file." />
      </div>
    );
  }
  return (
    <div class="page">
      <h1>Pictures</h1>
      <Notice text={notice} onClose={() => setNotice("")} />
      <form class="filters" role="search" onSubmit={(e) => e.preventDefault()}>
        <label class="field grow">
          <span>Search in names, ids and checksums</span>
          <input type="search" value={wanted.text ?? ""} onChange={(e) => change("text", e.currentTarget.value)} />
        </label>
        {facets.value &&
          KEYS.map((key) => (
            <Select
              label={words(key)}
              value={isHere(facets.value!, key, wanted[key]) ? (wanted[key] ?? "") : ""}
              options={[
                { value: "", text: "all" },
                ...(facets.value?.[key] ?? []).map((one) => ({ value: String(one.name), text: `${key === "reason" ? words(String(one.name)) : one.name} (${count(one.files)})` })),
              ]}
              onChange={(value) => change(key, value)}
            />
          ))}
        <a class="button" href={link("pictures", { view: "duplicates" })}>
          Near duplicates
        </a>
      </form>
      {props.about.drop && <Upload look={own.look} />}
      {own.message && <p class="note" role="status">{own.message}</p>}
      {own.dropped && (
        <Card title="Pictures like yours">
          <button class="plain" onClick={own.close}>Close</button>
          <div class="beside-own">
            <OwnPicture dropped={own.dropped} />
            <div class="tiles">
              {own.dropped.near.map((one) => (
                <PictureTile id={one.pic_id} caption={`${one.pic_id} · ${one.cosine.toFixed(3)}`} />
              ))}
            </div>
          </div>
        </Card>
      )}
      <Shown of={found}>
        {({ of, rows }) => (
          <>
            <div class="grid-tools">
              <p class="note" role="status">
                {many(of, "file")}
              </p>
              <SelectAll key={filter} filter={filter} of={of} picked={picked} onPage={rows.flatMap((row) => row.pic_id ?? [])} />
              <Select label="Sort" value={wanted.sort ?? ""} options={SORTS} onChange={(value) => change("sort", value)} />
              <Select label="Size" value={wanted.size ?? ""} options={SIZES} onChange={(value) => change("size", value)} />
            </div>
            {!of && (facets.value && !facets.value.outcome.length ? <Empty what="No file has been seen yet." command="naturalist run" /> : <Empty what="No file is like that." />)}
            <div class={`tiles ${wanted.size ? `grid-${wanted.size}` : ""}`}>
              {rows.map((row) => (
                <FileTile key={row.pic_id ?? `${row.source}/${row.path_text}`} row={row} picked={picked} order={rows.flatMap((one) => one.pic_id ?? [])} />
              ))}
            </div>
            <Pager page={page} of={of} onChange={(n) => change("page", String(n))} />
            <PickedBar picked={picked} about={props.about} />
          </>
        )}
      </Shown>
    </div>
  );
}

const MOST_SELECTED = 10_000;

function SelectAll(props: { filter: string; of: number; picked: Picked; onPage: string[] }) {
  const [busy, setBusy] = useState(false);
  const begin = useNewest();
  const all = async () => {
    const isNewest = begin();
    setBusy(true);
    try {
      const { ids } = await source.json<{ ids: string[] }>(`picture-ids?${props.filter}`);
      if (isNewest()) props.picked.add(ids);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div class="actions">
      <button onClick={() => props.picked.add(props.onPage)}>Select this page</button>
      {props.of > props.onPage.length && (
        <button disabled={busy} onClick={() => void all()}>
          {props.of > MOST_SELECTED ? `Select the first ${count(MOST_SELECTED)} in this filter` : "Select all in this filter"}
        </button>
      )}
    </div>
  );
}

function FileTile({ row, picked, order }: { row: FileRow; picked: Picked; order: string[] }) {
  const id = row.pic_id;
  if (id) {
    const on = picked.ids.has(id);
    return (
      <div class={on ? "pick picked" : "pick"}>
        <input
          type="checkbox"
          checked={on}
          aria-label={`Select ${id}`}
          onClick={(event) => picked.toggle(id, order, event.shiftKey)}
          onKeyDown={(event) => {
            if (event.key !== " " || !event.shiftKey) return;
            event.preventDefault();
            picked.toggle(id, order, true);
          }}
        />
        <PictureTile id={id} caption={<Caption row={row} />} />
      </div>
    );
  }
  return (
    <div class="tile">
      {row.same_as?.includes("_id_") ? <Thumb id={row.same_as} /> : <span class="thumb none">{row.format ?? "no picture"}</span>}
      <span class="caption">
        <Caption row={row} />
      </span>
    </div>
  );
}

function Caption({ row }: { row: FileRow }) {
  return (
    <>
      <b>{row.pic_id ?? row.path_text.split("/").pop()}</b>
      {row.outcome !== "accepted" && <em class={`state ${row.outcome === "refused" ? "bad" : "warn"}`}>{words(row.reason ?? row.outcome)}</em>}
      <small>{row.source}</small>
    </>
  );
}

function Pager(props: { page: number; of: number; onChange: (page: number) => void }) {
  const last = Math.max(1, Math.ceil(props.of / PER_PAGE));
  if (last === 1) return null;
  return (
    <nav class="pager" aria-label="Pages">
      <button disabled={props.page <= 1} onClick={() => props.onChange(props.page - 1)}>
        Previous
      </button>
      <span>
        {count(props.page)} of {count(last)}
      </span>
      <button disabled={props.page >= last} onClick={() => props.onChange(props.page + 1)}>
        Next
      </button>
    </nav>
  );
}

function OnePicture(props: { id: string; about: About }) {
  const row = useJson<PictureRow>(source.exported ? null : `pictures/${encodeURIComponent(props.id)}`);
  const like = useJson<Similar>(props.about.similar && !source.exported ? `pictures/${encodeURIComponent(props.id)}/similar` : null);
  const map = props.about.maps[0];
  return (
    <div class="page">
      <h1>{props.id}</h1>
      <p>
        <a href={link("pictures")}>All pictures</a>
        {map && (
          <>
            {" · "}
            <a href={link("map", { m: map, p: props.id })}>Show on the map</a>
          </>
        )}
      </p>
      {source.exported ? <Thumb id={props.id} large /> : <Shown of={row} absent={<Empty what={`There is no picture ${props.id} here.`} />}>
        {(found) => (
          <div class="one">
            <BigPicture id={props.id} about={props.about} />
            <Lineage row={found} />
          </div>
        )}
      </Shown>}
      {like.error && !like.absent && <Trouble text={like.error} />}
      {!!like.value?.pictures.length && (
        <Card title="Looks like" note="The nearest pictures by their features.">
          <div class="tiles">
            {like.value.pictures.map((one) => (
              <PictureTile id={one.pic_id} caption={`${one.pic_id} · ${one.cosine.toFixed(3)}`} />
            ))}
          </div>
        </Card>
      )}
    </div>
  );
}

export function BigPicture(props: { id: string; about: About }) {
  const [failed, setFailed] = useState(false);
  useEffect(() => setFailed(false), [props.id]);
  if (!props.about.large || source.exported || failed) return <Thumb id={props.id} large />;
  return <img class="big" src={api(`pictures/${encodeURIComponent(props.id)}/large`)} alt={props.id} onError={() => setFailed(true)} />;
}

export function Lineage({ row }: { row: PictureRow }) {
  const inside = row.path_text.split("!/");
  return (
    <dl class="facts">
      <dt>outcome</dt>
      <dd>
        {row.outcome}
        {row.reason ? `: ${words(row.reason)}` : ""} {row.detail}
      </dd>
      <dt>category</dt>
      <dd>{row.category}</dd>
      <dt>source</dt>
      <dd>
        <a href={link("pictures", { source: row.source, category: row.category })}>{row.source}</a>
      </dd>
      <dt>{inside.length > 1 ? "archive" : "path"}</dt>
      <dd>
        {inside.map((part, k) => (
          <>
            {k > 0 && <span class="note"> inside it: </span>}
            <code>{part}</code>
          </>
        ))}
      </dd>
      {Object.entries(row.columns ?? {}).map(
        ([name, value]) =>
          value !== null && (
            <>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </>
          ),
      )}
      <dt>batch</dt>
      <dd>{row.batch}</dd>
      <dt>picture</dt>
      <dd>
        {row.format}, {row.width} × {row.height}, {size(row.size_bytes)}
      </dd>
      <dt>SHA-256</dt>
      <dd>
        <code>{row.sha256}</code>
      </dd>
      {row.copies.length > 0 && (
        <>
          <dt>same bytes</dt>
          <dd>
            {row.copies.map((copy) => (
              <div>
                <code>{copy.path_text}</code> <small>{copy.source}</small>
              </div>
            ))}
          </dd>
        </>
      )}
    </dl>
  );
}

function Duplicates() {
  const [offset, setOffset] = useState(0);
  const found = useJson<DuplicateGroups | null>(`duplicates?limit=20&offset=${offset}`);
  return (
    <div class="page">
      <h1>Near duplicates</h1>
      <p>
        <a href={link("pictures")}>All pictures</a>
      </p>
      <Shown of={found}>
        {(doc) =>
          doc === null ? (
            <Empty what="Near duplicates have not been looked for yet." command="naturalist duplicates" />
          ) : !doc.of ? (
            <Empty what="No two pictures of the collection are near duplicates." />
          ) : (
            <>
              <p class="note">
                {many(doc.pictures, "picture")} in {many(doc.of, "group")}, the largest first.
              </p>
              {doc.groups.map((group) => (
                <Card title={group.group} note={many(group.members.length, "picture")}>
                  <div class="tiles">
                    {group.members.map((one) => (
                      <PictureTile id={one.picID} caption={<><b>{one.picID}</b><small>{one.distance} bits, cosine {one.cosine.toFixed(3)}</small></>} />
                    ))}
                  </div>
                </Card>
              ))}
              {doc.of > 20 && (
                <nav class="pager" aria-label="Pages">
                  <button disabled={!offset} onClick={() => setOffset(offset - 20)}>Previous</button>
                  <button disabled={offset + 20 >= doc.of} onClick={() => setOffset(offset + 20)}>Next</button>
                </nav>
              )}
            </>
          )
        }
      </Shown>
    </div>
  );
}

