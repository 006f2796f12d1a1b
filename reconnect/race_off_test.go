//go:build !race

package reconnect_test

// raceEnabled says that the race detector is on.
const raceEnabled = false
