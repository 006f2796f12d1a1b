//go:build race

package protocol_test

// The race detector makes sync.Pool drop values at random.
const raceEnabled = true
