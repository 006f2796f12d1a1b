package reconnect

import (
	"bytes"
	"runtime"
	"strconv"
)

// goroutine returns the number of the goroutine that calls it, 0 when it cannot
// be told. A callback may use every method of its Client, and three of them must
// know that it does: Close and Flush would wait for the callback itself, and
// Write in OnConnect is the login, while that of any other goroutine has to wait
// behind it. The methods are the same, on the same Client, so it can only be told
// by who calls. It is asked for in those cases alone, never for a message on an
// open connection.
//
// The number stands in the first line of a stack, "goroutine 7 [running]:".
func goroutine() uint64 {
	var buf [40]byte
	line := buf[:runtime.Stack(buf[:], false)]
	line, _, _ = bytes.Cut(bytes.TrimPrefix(line, []byte("goroutine ")), []byte(" "))
	n, _ := strconv.ParseUint(string(line), 10, 64)
	return n
}

// inCallback reports whether the caller is a callback of c.
func (c *Client) inCallback() bool {
	n := goroutine()
	return n != 0 && n == c.loop.Load()
}
