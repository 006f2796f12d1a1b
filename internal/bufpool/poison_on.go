//go:build race || lariatpoison

package bufpool

// Poison overwrites what is given back, so that a test that still reads it
// fails. It is compiled in under the race detector.
func Poison(b []byte) {
	for i := range b {
		b[i] = 0xDB
	}
}
