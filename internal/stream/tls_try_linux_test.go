package stream_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/stream"
)

// TryWrite writes records as long as the kernel has room, minds no deadline, and
// leaves one as it was.
func TestTLSTryWrite(t *testing.T) {
	tr, server, _ := tlsPair(t)
	tr.SetWriteDeadline(time.Unix(1, 0))
	payload := bytes.Repeat([]byte("payload "), 5000)
	n, err := tr.TryWrite([]byte("header "), payload)
	if n != 7+len(payload) || err != nil {
		t.Fatalf("TryWrite: %d, %v", n, err)
	}
	got := make([]byte, n)
	if _, err := io.ReadFull(server, got); err != nil || string(got) != "header "+string(payload) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	total := 0
	for n = 1; n > 0; total += n {
		if n, err = tr.TryWrite(payload, nil); err != nil || total > 64<<20 {
			t.Fatalf("after %d bytes: %d, %v", total, n, err)
		}
	}
	read := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(io.Discard, io.LimitReader(server, int64(total)))
		read <- n
	}()
	if n := <-read; n != int64(total) {
		t.Errorf("%d of %d bytes came", n, total)
	}
	if _, err := tr.Write([]byte("x")); !stream.IsTimeout(err) {
		t.Errorf("Write behind its deadline: %v", err)
	}
}
