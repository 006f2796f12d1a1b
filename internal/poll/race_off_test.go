//go:build !race && linux

package poll_test

const race = false
