//go:build race

package deflate_test

// sync.Pool drops values at random when the race detector runs.
const raceEnabled = true
