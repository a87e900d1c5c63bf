// As registry-power-loss.test.ts, with the power going at every change, and then once more at another.

process.env.SHOAL_POWER_STEP = "1"
process.env.SHOAL_POWER_LOSSES = "2"
await import("./registry-power-loss.test.ts")
