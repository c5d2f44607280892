// What the server's JSON documents hold, as src/naturalist/dashboard/report.py and the reports of the
// studies declare it; tools/check_types.py compares them. What no page reads is left out.

export interface Category {
  name: string;
  label: number;
}

export interface About {
  collection: string;
  kind: "workspace" | "published" | "pulled";
  address: string;
  snapshot: string | null;
  version: string;
  categories: Category[];
  maps: string[];
  clusterings: string[];
  similar: boolean;
  drop: boolean;
  /** Whether there are snapshots to compare; an export has none. */
  changes: boolean;
  large: boolean;
  /** Whether people with a token may decide; an export never has it. */
  review?: boolean;
  /** Whether a notebook wants to know what is selected. */
  selection?: boolean;
  samples: Sample[];
}

/** Measures of a map or a sample, by name; those that have several have a map of them. */
export interface Sample {
  name: string;
  method: string;
  rows: number;
  of: number;
  integrity: Record<string, unknown>;
}

export interface FileRow {
  category: string;
  number: number | null;
  pic_id: string | null;
  batch: number;
  source: string;
  path_text: string;
  outcome: string;
  reason: string | null;
  detail: string | null;
  same_as: string | null;
  size_bytes: number;
  sha256: string | null;
  format: string | null;
  width: number | null;
  height: number | null;
}

export interface Files {
  of: number;
  rows: FileRow[];
}

export interface PictureRow extends FileRow {
  /** Its metadata, by the names of the columns; an older server has none. */
  columns?: Record<string, string | null>;
  copies: { category: string; source: string; path_text: string; outcome: string }[];
}

export interface ColumnTitle {
  name: string;
  title: string;
  kind: "code" | "scale" | "number";
}

export interface ColumnInfo extends ColumnTitle {
  bytes: 1 | 2 | 4;
  names: string[];
  low: number;
  high: number;
  about: string;
}

/** Named places of a map at a zoom level: the cells of a grid that each of them has. */
export interface RegionLevel {
  across: number;
  /** Where the grid begins and ends on each axis, in units of the map. */
  low: number[];
  high: number[];
  names: string[];
  cells: number[][];
}

export interface MapInfo {
  name: string;
  rows: number;
  dims: 2 | 3;
  low: number[];
  step: number;
  meta: Record<string, unknown>;
  sampled: number;
  placed: number;
  /** Rows whose pictures were published together beside the map; an older server says none. */
  pictured?: number[];
  /** The coarsest level first; an older server says none. */
  regions?: RegionLevel[];
  columns: ColumnTitle[];
}

export interface Similar {
  pictures: { pic_id: string; cosine: number }[];
}

export interface Alert {
  name: string;
  level: "bad" | "warn";
  text: string;
}

export interface Run {
  number: number;
  started_at?: string;
  outcome?: string;
  error?: string | null;
  duration_s?: number;
  stages?: Record<string, Record<string, unknown>>;
}

export interface RunTrend {
  number: number;
  at: string | null;
  is_good: boolean;
  pictures_per_s: number | null;
  seen: number | null;
  refused: number | null;
  published_bytes: number | null;
  storage_month: number | null;
  free_bytes: number | null;
}

export interface Total {
  category: string;
  source: string;
  seen: number;
  accepted: number;
  duplicates: number;
  conflicts: number;
  refused: number;
  size_bytes: number;
}

export interface Growth {
  batch: number;
  category: string;
  source: string;
  accepted: number;
  refused: number;
  repeated: number;
  at: string | null;
}

export interface Failure {
  reason: string | null;
  files: number;
  meaning: string;
  is_failure: boolean;
  examples: { category: string; source: string; path_text: string; detail: string | null }[];
}

export interface Verification {
  at: string | null;
  passed: boolean;
  hard: number;
  soft: number;
  checks: { check: string; severity: string; asks: string; findings: number }[];
  verdicts: {
    check: string;
    severity: string;
    detail: string;
    pic_id: string | null;
    file: string | null;
  }[];
}

export interface Drift {
  batch?: number | null;
  reference?: { question: string; rows: number };
  rows?: number;
  at?: string;
  verdict?: string;
  words?: string[];
  pictures?: string[];
  tests?: Record<string, unknown>[];
}

export interface HealthDoc {
  collection: string;
  kind: string;
  address: string;
  checked_at: string;
  running: boolean;
  freshness: {
    last_run: null | {
      number: number;
      at: string | null;
      age_s: number | null;
      outcome: string | null;
      error: string | null;
      duration_s: number | null;
    };
    next_run: null | { at: string | null; schedule: string; time_zone: string };
    snapshot: null | {
      id: string | null;
      at: string | null;
      age_s: number | null;
      files?: number;
      size_bytes?: number;
      error?: string;
    };
  };
  missing: string[];
  damaged: string[];
  runs: Run[];
  trends: RunTrend[];
  totals: Total[];
  growth: Growth[];
  failures: Failure[];
  verification: Verification | null;
  drift: Drift[];
  storage: {
    kinds: { kind: string; files: number; size_bytes: number }[];
    free_bytes: number | null;
    total_bytes: number | null;
  };
  consistency: null | {
    at: string;
    passed: boolean | null;
    error?: string;
    snapshot?: string;
    files?: number;
    size_bytes?: number;
    findings?: { name: string; fault: string; detail: string }[];
  };
  cost: null | { url: string; size_bytes: number; storage_month: number; one_download: number };
  issues: null | { rows: number };
  alerts: Alert[];
}

export interface Cluster {
  cluster: number;
  /** Its name, empty without one. */
  title?: string;
  size: number;
  purity: number | null;
  category: string | null;
  categories?: Record<string, number>;
  sources?: Record<string, number>;
  medoids?: string[];
  boundary?: string[];
  stability?: number | null;
  single_source?: boolean;
  mixed?: boolean;
  sheet?: string | null;
}

export interface Clustering {
  name: string;
  method?: string;
  rows?: number;
  noise?: number;
  metrics?: Record<string, number | null>;
  clusters: Cluster[];
}

export interface SourceAccuracy {
  source: string;
  category: string;
  rows: number;
  accuracy: number;
}

export interface Evaluation {
  random_split: { balanced_accuracy: number; interval: number[] };
  leave_one_source_out: null | { balanced_accuracy: number; interval: number[] | null; per_source: SourceAccuracy[] };
  gap: number | null;
  expected_on_new_sources: null | { estimate: number; interval: number[] };
  confusion: { categories: string[]; matrix: number[][] };
  calibration: { ece: number; bins: { confidence: number; accuracy: number; rows: number }[] };
  selective: { coverage: number; accuracy: number }[];
  leaning: string[];
  advice: string[];
}

export interface Model {
  id: string;
  made_at?: string;
  kind?: string;
  error?: string;
  evaluation?: Evaluation | null;
}

export interface Models {
  champion: string | null;
  history: { model: string; at: string; action: string; reason: string }[];
  models: Model[];
}

export interface LabelIssues {
  rows: number;
  issues: { picID: string; category: string; suggested: string; score: number; rank: number }[];
}

export interface DuplicateGroups {
  of: number;
  pictures: number;
  groups: { group: string; members: { picID: string; distance: number; cosine: number }[] }[];
}

export interface SnapshotInfo {
  id: string;
  at: string;
  rows: number;
  latest: boolean;
}

export interface ChangedPicture {
  id: string;
  was: string;
  source: string;
  hidden: boolean;
  thumbnail: string | null;
}

export interface ChangeGroup {
  what: string;
  reason: string;
  region: string;
  pictures: number;
  shown: ChangedPicture[];
}

export interface ChangesDoc {
  before: string;
  after: string;
  counts: { came: number; left: number; relabelled: number };
  groups: ChangeGroup[];
}
