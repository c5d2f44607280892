// Where data come from: the server, or scripts of an exported folder (a page that was opened from
// a file may not fetch other files, but may load scripts).

export interface Source {
  exported: boolean;
  json<T>(path: string): Promise<T>;
  bytes(path: string): Promise<ArrayBuffer>;
  thumbnail(picId: string): Promise<string>;
  /** Squares of many pictures at once; null for a picture that has none. */
  squares(picIds: string[]): Promise<(ImageData | null)[]>;
}

/** An address of the server. It is relative, because a proxy may show the pages below a prefix. */
export const api = (path: string): string => `api/${path}`;

/** Edge of such a square in pixels, and how many are asked for at once. */
export const SQUARE = 96;
export const SQUARES = 40;

export class NotThere extends Error {}

interface ExportIndex {
  files: Record<string, string>;
  thumbnails: Record<string, number>;
}

declare global {
  interface Window {
    naturalistExport?: ExportIndex;
    naturalistData?: (file: string, payload: string) => void;
  }
}

class Server implements Source {
  exported = false;

  async json<T>(path: string): Promise<T> {
    const answer = await this.ask(path);
    return (await answer.json()) as T;
  }

  async bytes(path: string): Promise<ArrayBuffer> {
    return (await this.ask(path)).arrayBuffer();
  }

  async thumbnail(picId: string): Promise<string> {
    return api(`pictures/${encodeURIComponent(picId)}/thumbnail`);
  }

  async squares(picIds: string[]): Promise<(ImageData | null)[]> {
    const answer = await this.ask(`sprites?ids=${picIds.join(",")}`);
    const missing = new Set((answer.headers.get("x-missing") ?? "").split(",").filter(Boolean).map(Number));
    const strip = await createImageBitmap(await answer.blob());
    const pen = new OffscreenCanvas(strip.width, SQUARE).getContext("2d", { willReadFrequently: true })!;
    pen.drawImage(strip, 0, 0);
    strip.close();
    return picIds.map((_, k) => (missing.has(k) ? null : pen.getImageData(k * SQUARE, 0, SQUARE, SQUARE)));
  }

  private async ask(path: string): Promise<Response> {
    let answer: Response;
    try {
      answer = await fetch(api(path));
    } catch {
      throw new Error("The server does not answer: is  naturalist dashboard  still running?");
    }
    if (answer.ok) return answer;
    const message = await answer
      .json()
      .then((body: { error?: string }) => body.error)
      .catch(() => undefined);
    const text = message ?? `The server answered ${answer.status}.`;
    throw answer.status === 404 ? new NotThere(text) : new Error(text);
  }
}

class Exported implements Source {
  exported = true;
  private loading = new Map<string, Promise<string>>();
  private waiting = new Map<string, (payload: string) => void>();

  constructor(private index: ExportIndex) {
    window.naturalistData = (file, payload) => this.waiting.get(file)?.(payload);
  }

  async json<T>(path: string): Promise<T> {
    return JSON.parse(await this.text(path)) as T;
  }

  async bytes(path: string): Promise<ArrayBuffer> {
    const text = atob(await this.text(path));
    const found = new Uint8Array(text.length);
    for (let k = 0; k < text.length; k++) found[k] = text.charCodeAt(k);
    return found.buffer;
  }

  async thumbnail(picId: string): Promise<string> {
    const pack = this.index.thumbnails[picId];
    if (pack === undefined) throw new NotThere("no thumbnail was exported");
    const held = await this.json<Record<string, string>>(`thumbnails/${pack}`);
    return `data:image/jpeg;base64,${held[picId]}`;
  }

  async squares(picIds: string[]): Promise<(ImageData | null)[]> {
    return Promise.all(picIds.map((id) => this.square(id).catch(() => null)));
  }

  private async square(picId: string): Promise<ImageData> {
    const image = new Image();
    image.src = await this.thumbnail(picId);
    await image.decode();
    const edge = Math.min(image.naturalWidth, image.naturalHeight);
    const [left, top] = [(image.naturalWidth - edge) / 2, (image.naturalHeight - edge) / 2];
    const pen = new OffscreenCanvas(SQUARE, SQUARE).getContext("2d", { willReadFrequently: true })!;
    pen.drawImage(image, left, top, edge, edge, 0, 0, SQUARE, SQUARE);
    return pen.getImageData(0, 0, SQUARE, SQUARE);
  }

  private text(path: string): Promise<string> {
    const file = this.index.files[path];
    if (file === undefined) throw new NotThere("That is not part of this export.");
    let found = this.loading.get(file);
    if (!found) {
      found = new Promise((resolve, reject) => {
        this.waiting.set(file, resolve);
        const script = document.createElement("script");
        script.src = file;
        script.onload = () => script.remove();
        script.onerror = () => reject(new Error(`${file} of this export cannot be read.`));
        document.head.append(script);
      });
      this.loading.set(file, found);
    }
    return found;
  }
}

export const source: Source = window.naturalistExport
  ? new Exported(window.naturalistExport)
  : new Server();

/** Tell the notebook that shows this page what is selected. */
export async function tellSelection(ids: string[]): Promise<void> {
  const headers = { "content-type": "application/json" };
  await fetch(api("selection"), { method: "POST", headers, body: JSON.stringify({ ids }) });
}

export async function similarTo(file: File): Promise<{ pic_id: string; cosine: number }[]> {
  const answer = await fetch(api("similar?k=24"), { method: "POST", body: file });
  const body = (await answer.json()) as {
    error?: string;
    pictures?: { pic_id: string; cosine: number }[];
  };
  if (!answer.ok) throw new Error(body.error ?? `The server answered ${answer.status}.`);
  return body.pictures ?? [];
}
