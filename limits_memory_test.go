package websocket_test

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// allocated returns the bytes f allocates, by all goroutines together.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// masked returns frames as a client sends them.
func masked(frames ...wstest.Frame) []byte { return wire(&scripter{masks: true}, frames...) }

// F12: 10,000 connections, each of which announces 1 MiB and sends one byte,
// hold 8 KiB each at most, the transport in memory included.
func TestTenThousandAnnouncements(t *testing.T) {
	conns := 10_000
	if raceEnabled {
		conns = 500
	}
	announced := frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: frame.OpBinary, Masked: true, Length: 1 << 20})
	announced = append(announced, 'x')
	synctest.Test(t, func(t *testing.T) {
		all := make([]*websocket.Conn, conns)
		before := heap()
		for i := range all {
			a, b := wstest.Pipe(&wstest.PipeOptions{Buffer: 512})
			all[i] = websocket.NewConn(a, protocol.RoleServer, nil, nil)
			go all[i].Read(context.Background())
			b.Write(announced)
		}
		synctest.Wait()
		if per := (heap() - before) / conns; per > 8<<10 {
			t.Errorf("%d bytes for each of %d connections", per, conns)
		}
		for _, c := range all {
			c.CloseNow()
		}
	})
}

// F12: memory grows with the bytes that have come, by doubling, and not with
// those that were announced.
func TestMemoryGrowsWithWhatCame(t *testing.T) {
	const announced = 1 << 30
	synctest.Test(t, func(t *testing.T) {
		c, _, peer := scripted(t, protocol.RoleServer, &websocket.ConnOptions{MaxMessageSize: -1}, nil)
		before := heap()
		read := async(readError(c))
		peer.SendBytes(frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: frame.OpBinary, Masked: true, Length: announced}))
		piece := make([]byte, 32<<10)
		came := 0
		for _, until := range []int{64 << 10, 1 << 20, 4 << 20} {
			for ; came < until; came += len(piece) {
				peer.Conn().Write(piece)
			}
			synctest.Wait()
			if held := heap() - before; held > 2*came+256<<10 {
				t.Errorf("%d bytes are held after %d have come", held, came)
			}
		}
		c.CloseNow()
		<-read
	})
}

// A5, A7: a message in 1-byte fragments costs memory by its payload, not by the
// number of its frames: twice as many cost twice as much. U2 besides: the text
// is cut within its characters.
func TestManySmallFragments(t *testing.T) {
	message := func(n int) []byte {
		text := bytes.Repeat([]byte("é"), n/2)
		frames := split(wstest.Text(string(text)), 1)
		return masked(frames...)
	}
	cost := func(n int) (bytesAllocated int) {
		stream := message(n)
		a, b := wstest.Pipe(&wstest.PipeOptions{Buffer: len(stream)})
		c := websocket.NewConn(a, protocol.RoleServer, nil, nil)
		defer c.CloseNow()
		b.Write(stream)
		return allocated(func() {
			_, p, err := c.Read(context.Background())
			if err != nil || len(p) != n || cap(p) > 2*n {
				t.Fatalf("%d bytes in memory for %d, of %d; %v", len(p), cap(p), n, err)
			}
		})
	}
	cost(1024) // what is allocated once
	half, whole := cost(8192), cost(16384)
	// Read buffers of 4 to 64 KiB are borrowed, and may have to be made.
	const buffers = 128 << 10
	if !raceEnabled && (whole > 4*16384+buffers || whole > 5*half/2+buffers) {
		t.Errorf("%d bytes allocated for 8,192 fragments, %d for 16,384", half, whole)
	}

	// The default limit of fragments, and one more: 1008.
	for _, more := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			c, _, peer := scripted(t, protocol.RoleServer, nil, nil)
			read := async(readError(c))
			pour(&scripter{Peer: peer, masks: true}, masked(split(wstest.Binary(make([]byte, websocket.DefaultMaxFragments+more)), 1)...))
			if more == 0 {
				if err := <-read; err != nil {
					t.Errorf("%d fragments: %v", websocket.DefaultMaxFragments, err)
				}
				return
			}
			peer.ExpectClose(websocket.StatusPolicyViolation)
			peer.Close()
			if ce := closeErrorOf(t, <-read); !errors.Is(ce, frame.ErrTooManyFragments) {
				t.Errorf("ended with %v", ce)
			}
		})
	}
}

// D3: messages that inflate far beyond the limit, in one frame, in fragments
// and with a bomb in each fragment: 1009, and no more memory than for a message
// at the limit.
func TestBombs(t *testing.T) {
	const limit = 1 << 20
	var coded bytes.Buffer
	w, _ := flate.NewWriter(&coded, flate.BestCompression)
	w.Write(make([]byte, 1<<20))
	w.Flush()
	mib := coded.Len()
	bomb := bytes.TrimSuffix(bytes.Repeat(coded.Bytes(), 900), []byte(syncTail)) // 900 MiB in less than one
	if len(bomb) > limit {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	one := with(frame.RSV1, wstest.Binary(bomb))
	x := deflate.New(nil)
	for _, tc := range []struct {
		name   string
		frames []wstest.Frame
		most   int // bytes allocated, those included that were grown out of
	}{
		{"one frame", []wstest.Frame{one}, 2 * limit},
		{"fragments", split(one, 64<<10), 2 * limit},
		{"one a fragment", split(one, mib), 4 * limit},
		{"small fragments", split(one, 100), 8 * limit},
	} {
		t.Run(tc.name, func(t *testing.T) {
			stream := masked(tc.frames...)
			o := &wstest.PairOptions{Pipe: wstest.PipeOptions{Buffer: len(stream)}}
			o.Client.Extensions, o.Server.Extensions = []extension.Extension{x}, []extension.Extension{x}
			c, peer := wstest.Scripted(t, protocol.RoleServer, o)
			peer.SendBytes(stream)
			peer.CloseWrite()
			var err error
			n := allocated(func() { _, _, err = c.Read(context.Background()) })
			if ce := closeErrorOf(t, err); !errors.Is(err, frame.ErrMessageTooBig) || !sameClose(ce.Sent, 1009, "") {
				t.Errorf("ended with %+v", ce)
			}
			peer.ExpectClose(1009)
			if n > tc.most+128<<10 && !raceEnabled {
				t.Errorf("%d bytes were allocated for a limit of %d", n, limit)
			}
		})
	}
	t.Run("D11 at the limit", func(t *testing.T) {
		o := &wstest.PairOptions{}
		o.Client.Extensions, o.Server.Extensions = []extension.Extension{x}, []extension.Extension{x}
		c, peer := wstest.Scripted(t, protocol.RoleServer, o)
		p := &deflatePeer{bits: 15}
		peer.SendFrames(p.coded(t, wstest.Binary(make([]byte, limit))))
		if _, got, err := c.Read(context.Background()); err != nil || !bytes.Equal(got, make([]byte, limit)) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}
