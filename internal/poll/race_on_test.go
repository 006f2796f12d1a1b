//go:build race && linux

package poll_test

// race: the race detector makes everything several times slower.
const race = true
