//go:build !race

package h2conn_test

const raceEnabled = false
