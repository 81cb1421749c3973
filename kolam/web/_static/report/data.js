/**
 * What the page is given: the JSON that `kolam.web.write_report` puts into it.
 *
 * @typedef {{value: number | null, low: number | null, high: number | null, reason: string}} Estimate
 * @typedef {{slice: Record<string, unknown>, name: string, rows: number, is_small: boolean, metrics: Record<string, Estimate>}} SliceResult
 * @typedef {{title: string, greater_is_better: boolean}} Measure
 *
 * @typedef {object} Plots
 * @property {number[][]} confusion
 * @property {{low: number, high: number, rows: number, confidence: number | null, observed: number | null}[]} calibration
 * @property {[number, number][]} roc
 * @property {number[]} residual_edges
 * @property {number[]} residual_counts
 * @property {[number, number][]} sample
 *
 * @typedef {object} Evaluation
 * @property {string} task
 * @property {string} main_metric
 * @property {SliceResult} overall
 * @property {SliceResult[]} slices
 * @property {Plots} plots
 * @property {string[]} classes
 *
 * @typedef {object} ColumnView one column of the judged table, summed up
 * @property {string} name
 * @property {string} kind
 * @property {number} rows
 * @property {number} missing
 * @property {[string, string | number | null][]} facts
 * @property {{edges: number[], counts: number[], ends: string[] | null} | null} histogram
 * @property {{value: string | number | boolean, count: number}[]} top
 *
 * @typedef {object} Anomaly
 * @property {string | null} column
 * @property {string} kind
 * @property {"error" | "warning"} severity
 * @property {string} message
 * @property {string} [accept]
 *
 * @typedef {object} Step
 * @property {string} name
 * @property {number} seconds
 * @property {Record<string, string>} inputs
 * @property {Record<string, string>} outputs
 * @property {boolean} reused
 *
 * @typedef {object} Target
 * @property {string} name
 * @property {number | null} code_bytes
 * @property {number | null} weight_bytes
 * @property {number | null} arena_bytes
 * @property {number | null} latency_seconds
 * @property {number | null} max_abs_error
 * @property {number | null} main_metric
 * @property {boolean | null} same_metrics
 *
 * @typedef {object} Report
 * @property {string} title
 * @property {string} label
 * @property {"binary" | "multiclass" | "regression"} task
 * @property {boolean | null} passed
 * @property {{text: string, passed: boolean}[]} checks
 * @property {string} summary
 * @property {Evaluation | null} evaluation
 * @property {Record<string, Measure>} measures
 * @property {number | null} rows
 * @property {ColumnView[]} columns
 * @property {Anomaly[]} anomalies
 * @property {{name: string, values: (number | null)[]}[]} curves
 * @property {string} epoch_name
 * @property {Step[]} steps
 * @property {Target[]} targets
 * @property {Record<string, string>} versions
 * @property {Record<string, unknown>} card
 * @property {import("../runtime/parcel.js").Inlined | null} live
 * @property {import("../live/form.js").Example[]} examples
 */

export {};
