//go:build race || lariatpoison

package bufpool

// poison overwrites what is given back, so that a test that still reads it
// fails. It is compiled in under the race detector.
func poison(b []byte) {
	for i := range b {
		b[i] = 0xDB
	}
}
