/**
 * The shapes that the service speaks, as docs of the REST interface have them. Types only: nothing here runs.
 *
 * @typedef {number | "NaN" | "Infinity" | "-Infinity" | null} WireNumber
 * @typedef {"running" | "finished" | "failed" | "lost"} RunState
 * @typedef {"step" | "epoch" | "time"} AxisKind
 *
 * @typedef {object} RunSummary
 * @property {string} id
 * @property {string} project
 * @property {string} name
 * @property {RunState} state
 * @property {string} message
 * @property {string[]} tags
 * @property {string} notes
 * @property {boolean} archived Kept, and left out of the list.
 * @property {number} created Unix seconds, as all times are.
 * @property {number} last_seen
 * @property {number | null} ended
 * @property {number} attempt
 * @property {number} dropped
 * @property {number | null} steps
 * @property {number | null} epoch
 * @property {{S_G: WireNumber, S_D: WireNumber, Q: WireNumber, D: WireNumber}} last
 * @property {{firing: number, pending: number, resolved: number}} alerts
 *
 * @typedef {object} RunDetail
 * @property {Record<string, unknown>} config
 * @property {string[]} commands
 * @property {{remedy: string | null, refused: string | null}} rescue What it does next if it goes back, and why it cannot
 *   be asked to.
 * @property {Attempt[]} attempts
 * @property {{id: string, rank: number, host: string, process: number, state: string, high_water: number, dropped: number, last_seen: number}[]} writers
 * @property {{writer: string, first: number, last: number, reason: string, time: number}[]} gaps
 * @property {number} [rejected]
 *
 * @typedef {RunSummary & RunDetail} Run
 *
 * @typedef {object} Attempt
 * @property {number} number
 * @property {number | null} parent
 * @property {number | null} from_step
 * @property {string} reason
 * @property {number} began
 * @property {{name: string, settings: Record<string, unknown>} | null} [remedy]
 * @property {Partial<Record<"Q" | "D", {before: WireNumber, turn: WireNumber, now: WireNumber}>> | null} [brought]
 * @property {string | null} [alert]
 *
 * @typedef {object} Series
 * @property {string} name
 * @property {"scalar" | "distribution"} kind
 * @property {string} unit
 * @property {"higher" | "lower" | "none"} direction
 * @property {number | null} lower
 * @property {number | null} upper
 * @property {string} help
 * @property {string | null} role
 * @property {string | null} judge
 * @property {number | null} m
 * @property {number | null} n
 * @property {number} count
 * @property {number} non_finite
 * @property {WireNumber} [last]
 *
 * @typedef {object} ScalarColumns
 * @property {"scalar"} kind
 * @property {boolean} exact True where every bucket is one point.
 * @property {number[]} step
 * @property {number[]} time
 * @property {(number | null)[]} min
 * @property {(number | null)[]} max
 * @property {(number | null)[]} mean
 * @property {WireNumber[]} last
 * @property {number[]} count
 * @property {number[]} non_finite
 *
 * @typedef {object} DistributionColumns
 * @property {"distribution"} kind
 * @property {number[]} step
 * @property {number[]} time
 * @property {Record<string, WireNumber[]>} quantiles
 *
 * @typedef {ScalarColumns | DistributionColumns} Columns
 *
 * @typedef {object} Marks
 * @property {number[]} index
 * @property {number[]} step
 * @property {(number | null)[]} epoch
 * @property {number[]} time
 *
 * @typedef {object} Signal
 * @property {string} signal
 * @property {string} series
 * @property {string | null} role
 * @property {WireNumber} before
 * @property {WireNumber} after
 * @property {string} unit
 * @property {"up" | "down"} direction
 *
 * @typedef {object} Alert
 * @property {string} id
 * @property {string} run
 * @property {string} run_name
 * @property {number} attempt
 * @property {"pending" | "firing" | "resolved"} state
 * @property {string} rule
 * @property {string} severity
 * @property {string} title
 * @property {string} sentence
 * @property {number | null} onset_step
 * @property {number | null} onset_epoch
 * @property {number | null} detected_step
 * @property {number | null} detected_epoch
 * @property {Signal[]} signals
 * @property {number} began
 * @property {number} updated
 * @property {number | null} resolved
 * @property {number | null} acknowledged
 * @property {string} acknowledged_by
 * @property {number | null} [snoozed_until]
 * @property {string | null} [snoozed_by]
 * @property {number | null} [notified] When people were last told of it.
 * @property {{time: number, state: string, reason: string}[]} transitions
 * @property {{name: string, step: number, digest: string}[]} images
 *
 * @typedef {object} Job
 * @property {string} id
 * @property {string} run
 * @property {string} project
 * @property {string} name
 * @property {string} recipe
 * @property {Record<string, unknown>} overrides
 * @property {number} priority
 * @property {"queued" | "running" | "finished" | "failed" | "cancelled"} state
 * @property {string} message
 * @property {number} created
 * @property {number | null} began
 * @property {number | null} ended
 * @property {string} worker
 * @property {number} claims
 * @property {number} deaths
 * @property {boolean} cancelling
 *
 * @typedef {object} Snapshot
 * @property {string} name
 * @property {number} step
 * @property {string} digest
 * @property {number} width
 * @property {number} height
 * @property {string} caption
 * @property {number} rows
 * @property {number} columns
 * @property {WireNumber[]} scores One a cell, where a judge gave one.
 * @property {number} time
 * @property {number} attempt
 */
export {};
