package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/wstest"
)

// Two peers call whatever there is to call, in any order, from several
// goroutines, while the transport misbehaves. Afterwards nothing is left, both
// ends agree about how they ended, every message that came is whole and in its
// place, and where nobody disturbed, none is missing.

// dice decide: by the bytes of a fuzzer first, then by chance.
type dice struct {
	data []byte
	rng  *rand.Rand
}

func newDice(seed uint64, data []byte) *dice {
	for _, b := range data {
		seed = seed*131 + uint64(b)
	}
	return &dice{data, rand.New(rand.NewPCG(seed, 7))}
}

func (d *dice) roll(n int) int {
	if len(d.data) > 0 {
		b := d.data[0]
		d.data = d.data[1:]
		return int(b) % n
	}
	return d.rng.IntN(n)
}

// split gives another goroutine dice of its own, and half of the bytes.
func (d *dice) split() *dice {
	n := len(d.data) / 2
	half := d.data[n:]
	d.data = d.data[:n]
	return &dice{half, rand.New(rand.NewPCG(d.rng.Uint64(), 7))}
}

// Each peer writes with so many goroutines.
const stressWriters = 3

// stressMessage is message seq of a writer: readable, and different at every
// place.
func stressMessage(writer, seq, size int) []byte {
	p := fmt.Appendf(nil, "%d %d %d ", writer, seq, size)
	for i := range size {
		p = append(p, 'a'+byte((writer+seq+i)%26))
	}
	return p
}

// A player is one of the two peers.
type player struct {
	game *game
	name string
	c    *websocket.Conn

	mu      sync.Mutex
	wrote   [stressWriters][]int // what Write said was written
	got     [stressWriters][]int // of the other
	skipped int                  // messages that were left before their number was seen
	told    chan struct{}        // got, wrote or skipped changed
}

func (p *player) tell(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	select {
	case p.told <- struct{}{}:
	default:
	}
}

func (p *player) counts() (wrote, got int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range stressWriters {
		wrote += len(p.wrote[i])
		got += len(p.got[i])
	}
	return wrote, got + p.skipped
}

// receive takes a message that came; whole is false when only its beginning is
// there.
func (p *player) receive(m []byte, whole bool) {
	var writer, seq, size int
	if _, err := fmt.Sscanf(string(m[:min(len(m), 40)]), "%d %d %d ", &writer, &seq, &size); err != nil || writer >= stressWriters {
		p.game.t.Errorf("%s: got %.60q: %v", p.name, m, err)
		return
	}
	want := stressMessage(writer, seq, size)
	if whole && !bytes.Equal(m, want) || !whole && !bytes.HasPrefix(want, m) {
		p.game.t.Errorf("%s: message %d of writer %d came broken: %d bytes, %.60q", p.name, seq, writer, len(m), m)
	}
	p.tell(func() {
		if n := len(p.got[writer]); n > 0 && p.got[writer][n-1] >= seq {
			p.game.t.Errorf("%s: message %d of writer %d came after %d", p.name, seq, writer, p.got[writer][n-1])
		}
		p.got[writer] = append(p.got[writer], seq)
	})
}

// A game is one run.
type game struct {
	t       testing.TB
	clean   bool // nobody disturbs
	rounds  int
	players [2]*player
	cut     func(d *dice) // breaks the transport
}

// shortContext returns a context that ends soon.
func shortContext(d *dice) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Duration(d.roll(2000))*time.Microsecond)
}

var stressSizes = []int{0, 1, 10, 100, 117, 500, 4000, 8 << 10, 16 << 10, 17 << 10, 33 << 10}

// write is a goroutine that writes.
func (p *player) write(writer int, d *dice) {
	for seq := range p.game.rounds {
		m := stressMessage(writer, seq, stressSizes[d.roll(len(stressSizes))])
		ctx, cancel := context.WithCancel(context.Background())
		switch d.roll(8) {
		case 0:
			cancel() // too early to do any harm
		case 1:
			if !p.game.clean {
				cancel()
				ctx, cancel = shortContext(d)
			}
		}
		err := p.send(ctx, m, d)
		if err == nil {
			p.tell(func() { p.wrote[writer] = append(p.wrote[writer], seq) })
		}
		ended := ctx.Err() != nil
		cancel()
		switch {
		case err == nil, ended && !errors.Is(err, net.ErrClosed) && !errors.Is(err, websocket.ErrHalfWritten) && !errors.Is(err, websocket.ErrWriterAbandoned):
		case p.game.clean:
			p.game.t.Errorf("%s: message %d of writer %d: %v", p.name, seq, writer, err)
			return
		default:
			return
		}
	}
}

// send sends a message in one of the ways there are.
func (p *player) send(ctx context.Context, m []byte, d *dice) error {
	typ := websocket.MessageText
	if d.roll(2) == 0 {
		typ = websocket.MessageBinary
	}
	switch d.roll(8) {
	case 0:
		return p.c.WriteBatch(ctx, websocket.PingFrame([]byte("ping")), websocket.TextBytes(m), websocket.PingFrame(nil))
	case 1:
		o := websocket.Binary(m)
		o.NoCompress = true
		return p.c.WriteBatch(ctx, o)
	case 2:
		prepared, err := websocket.NewPrepared(typ, m)
		if err != nil {
			return err
		}
		return p.c.WritePrepared(ctx, prepared)
	case 3:
		w, err := p.c.Writer(ctx, typ)
		if err != nil {
			return err
		}
		for rest := m; len(rest) > 0 && err == nil; {
			n := min(len(rest), 1+d.roll(256)*200)
			_, err = w.Write(rest[:n])
			rest = rest[n:]
		}
		if err2 := w.Close(); err == nil {
			err = err2
		}
		return err
	case 4:
		pctx, cancel := shortContext(d)
		defer cancel()
		p.c.Ping(pctx) // whether it is answered in time does not matter
	}
	return p.c.Write(ctx, typ, m)
}

// read is the goroutine that reads, until the end of the connection, which it
// returns.
func (p *player) read(d *dice) error {
	var batch []websocket.Message
	var buf []byte
	for {
		ctx, cancel := context.Background(), context.CancelFunc(func() {})
		if d.roll(4) == 0 {
			ctx, cancel = shortContext(d)
		}
		var err error
		switch d.roll(5) {
		case 0:
			if _, buf, err = p.c.Append(ctx, buf[:0]); err == nil {
				p.receive(buf, true)
			}
		case 1:
			batch, err = p.c.ReadBatch(ctx, batch[:0])
			runtime.Gosched() // others may do something to it
			for _, m := range batch {
				p.receive(m.Data, true)
			}
		case 2, 3:
			err = p.readPieces(ctx, d)
		default:
			var m []byte
			if _, m, err = p.c.Read(ctx); err == nil {
				p.receive(m, true)
			}
		}
		ended := ctx.Err() != nil
		cancel()
		if err != nil && !(ended && websocket.CloseStatus(err) == 0) {
			return err
		}
	}
}

// readPieces reads a message by Reader, all of it or the beginning.
func (p *player) readPieces(ctx context.Context, d *dice) error {
	_, r, err := p.c.Reader(ctx)
	if err != nil {
		return err
	}
	all := d.roll(3) > 0
	size := []int{1, 40, 1000, 4096, 100_000}[d.roll(5)]
	if size == 1 {
		r = io.MultiReader(io.LimitReader(r, 100), r) // not all of 70 KiB in that way
	}
	var m []byte
	piece := make([]byte, max(size, 40))
	for {
		n, err := r.Read(piece[:size])
		m = append(m, piece[:n]...)
		switch {
		case err == io.EOF:
			p.receive(m, true)
			return nil
		case err != nil && len(m) >= 40:
			p.receive(m, false)
			return err
		case err != nil:
			p.tell(func() { p.skipped++ })
			return err
		case !all && len(m) >= 40:
			p.receive(m, false)
			return nil
		}
		if len(m) > 200 {
			size = len(piece)
		}
	}
}

// disturb does what breaks or ends the connection at a moment of its choice.
func (g *game) disturb(d *dice) {
	<-time.After(time.Duration(d.roll(4000)) * time.Microsecond)
	p := g.players[d.roll(2)]
	switch d.roll(5) {
	case 0:
		g.closeMany(p, 1+d.roll(5), false)
	case 1:
		p.c.CloseNow()
	case 2:
		p.c.WriteBatch(context.Background(), websocket.CloseFrame(websocket.StatusGoingAway, "batch"))
	default:
		g.cut(d)
	}
}

// closeMany calls Close from n goroutines.
func (g *game) closeMany(p *player, n int, must bool) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if err := p.c.Close(websocket.StatusServiceRestart, p.name); err != nil && must {
				g.t.Errorf("%s: Close: %v", p.name, err)
			}
		})
	}
	wg.Wait()
}

// awaitAll waits until each player has what the other wrote.
func (g *game) awaitAll() {
	late := time.After(10 * time.Second)
	for i, p := range g.players {
		for {
			wrote, _ := g.players[1-i].counts()
			_, got := p.counts()
			if got == wrote {
				break
			}
			select {
			case <-p.told:
			case <-late:
				g.t.Errorf("%s: %d messages came, the other wrote %d", p.name, got, wrote)
				return
			}
		}
	}
}

// play plays the game.
func (g *game) play(d *dice) {
	var writing, reading sync.WaitGroup
	var ends [2]error
	for i, p := range g.players {
		for w := range stressWriters {
			d := d.split()
			writing.Go(func() { p.write(w, d) })
		}
		d := d.split()
		reading.Go(func() { ends[i] = p.read(d) })
	}
	if g.clean {
		writing.Wait()
		g.awaitAll()
		switch d.roll(3) {
		case 0:
			g.closeMany(g.players[0], 1+d.roll(3), true)
		case 1:
			g.closeMany(g.players[1], 1+d.roll(3), true)
		case 2:
			var both sync.WaitGroup
			for _, p := range g.players {
				n := 1 + d.roll(3)
				both.Go(func() { g.closeMany(p, n, true) })
			}
			both.Wait()
		}
	} else {
		g.disturb(d)
		// What does not end by itself is ended.
		drop := time.AfterFunc(500*time.Millisecond, func() {
			for _, p := range g.players {
				p.c.CloseNow()
			}
		})
		writing.Wait()
		drop.Reset(200 * time.Millisecond)
		reading.Wait()
		drop.Stop()
	}
	writing.Wait()
	reading.Wait()
	for _, p := range g.players {
		p.c.CloseNow()
	}
	g.agree(ends)
	for i, p := range g.players {
		for w, got := range p.got {
			if !g.clean {
				continue
			}
			wrote := g.players[1-i].wrote[w]
			if missing := len(wrote) - len(got); missing < 0 || missing > p.skipped {
				g.t.Errorf("%s: got %v of writer %d, which wrote %v", p.name, got, w, wrote)
			}
			for _, seq := range got {
				if !slices.Contains(wrote, seq) {
					g.t.Errorf("%s: got message %d of writer %d, which was not written", p.name, seq, w)
				}
			}
		}
	}
}

// agree checks that what one says it received, the other says it sent.
func (g *game) agree(ends [2]error) {
	for i, err := range ends {
		a, aok := errors.AsType[*websocket.CloseError](err)
		b, bok := errors.AsType[*websocket.CloseError](ends[1-i])
		if !aok || !bok {
			g.t.Errorf("%s: the end is %v, of the other %v", g.players[i].name, err, ends[1-i])
			return
		}
		if a.Received != nil && (b.Sent == nil || *a.Received != *b.Sent) {
			g.t.Errorf("%s: received %v, the other sent %v", g.players[i].name, a.Received, b.Sent)
		}
		if g.clean && (a.Cause != nil || a.Sent == nil || a.Received == nil) {
			g.t.Errorf("%s: %v", g.players[i].name, err)
		}
	}
}

// newGame sets a game up; open connects two ends.
func newGame(t testing.TB, d *dice, rounds int, open func(o *wstest.PairOptions) (a, b net.Conn, cut func(*dice))) *game {
	g := &game{t: t, clean: d.roll(2) == 0, rounds: rounds}
	var o wstest.PairOptions
	if d.roll(3) == 0 {
		x := deflate.New(&deflate.Options{ClientContextTakeover: d.roll(2) == 0, ServerContextTakeover: d.roll(2) == 0})
		o.Client.Extensions = []extension.Extension{x}
		o.Server.Extensions = o.Client.Extensions
	}
	for i, co := range []*websocket.ConnOptions{&o.Client, &o.Server} {
		p := &player{game: g, name: []string{"client", "server"}[i], told: make(chan struct{}, 1)}
		g.players[i] = p
		co.CloseTimeout = 100 * time.Millisecond
		co.WriteTimeout = 100 * time.Millisecond
		co.MaxControls = -1
		if g.clean {
			co.CloseTimeout, co.WriteTimeout = 20*time.Second, 20*time.Second
		}
		if d.roll(3) == 0 {
			co.KeepAlive = websocket.KeepAlive{Interval: time.Duration(1+d.roll(20)) * time.Millisecond, Timeout: time.Minute}
		}
		if !g.clean && d.roll(4) == 0 {
			call := []func(){
				func() { p.c.Close(websocket.StatusNormalClosure, "from OnPing") },
				func() { p.c.CloseNow() },
				func() { p.c.Read(context.Background()) },
			}[d.roll(3)]
			after := d.roll(20)
			co.OnPing = func([]byte) {
				if after--; after == 0 {
					call()
				}
			}
		}
	}
	a, b, cut := open(&o)
	g.cut = cut
	g.players[0].c, g.players[1].c = wstest.PairOver(t, a, b, &o)
	return g
}

// playPipe plays a game over a pipe, in a bubble: what waits for ever, or stays
// behind, fails the test.
func playPipe(t *testing.T, d *dice, rounds int) {
	settle(t)
	synctest.Test(t, func(t *testing.T) {
		g := newGame(t, d, rounds, func(*wstest.PairOptions) (net.Conn, net.Conn, func(*dice)) {
			a, b := wstest.Pipe(&wstest.PipeOptions{
				Buffer:      []int{50, 300, 4096, 5000, 64 << 10, 1 << 20}[d.roll(6)],
				ResetUnread: d.roll(2) == 0,
			})
			for _, c := range []*wstest.PipeConn{a, b} {
				c.Chunk([]int{0, 0, 1000, 9}[d.roll(4)])
			}
			cut := func(d *dice) {
				c := []*wstest.PipeConn{a, b}[d.roll(2)]
				switch d.roll(5) {
				case 0:
					c.Cut()
				case 1:
					c.Stall()
				case 2:
					c.Stall()
					<-time.After(time.Duration(d.roll(200)) * time.Millisecond)
					c.Resume()
				case 3:
					c.CloseWrite()
				default:
					c.Close()
				}
			}
			if d.roll(3) == 0 { // what a stream can do beyond the least
				return struct{ net.Conn }{a}, struct{ net.Conn }{b}, cut
			}
			return a, b, cut
		})
		g.play(d)
	})
	if n := bufpool.Outstanding(); n != 0 {
		t.Errorf("%d buffers were not given back", n)
	}
}

// settle waits until what earlier tests borrowed is given back.
func settle(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(2 * time.Second); bufpool.Outstanding() != 0; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d buffers are lent before the game begins", bufpool.Outstanding())
		}
	}
}

// playSocket plays a game over loopback TCP, or TLS over it.
func playSocket(t *testing.T, d *dice, rounds int, secure bool) {
	settle(t)
	fds := openFiles(t)
	g := newGame(t, d, rounds, func(*wstest.PairOptions) (net.Conn, net.Conn, func(*dice)) {
		a, b, atcp, btcp := socketPair(t, secure)
		return a, b, func(d *dice) {
			c := []*net.TCPConn{atcp, btcp}[d.roll(2)]
			switch d.roll(3) {
			case 0:
				c.SetLinger(0)
				c.Close()
			case 1:
				c.CloseWrite()
			default:
				c.Close()
			}
		}
	})
	over := make(chan struct{})
	go func() {
		defer close(over)
		g.play(d)
	}()
	select {
	case <-over:
	case <-time.After(30 * time.Second):
		buf := make([]byte, 1<<20)
		t.Fatalf("the game does not end:\n%s", buf[:runtime.Stack(buf, true)])
	}
	left := func() (int64, int) { return bufpool.Outstanding(), openFiles(t) - fds }
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); runtime.Gosched() {
		if b, f := left(); b == 0 && f <= 0 {
			break
		}
	}
	if b, f := left(); b != 0 || f > 0 {
		t.Errorf("%d buffers were not given back, %d descriptors are open", b, f)
	}
}

// openFiles counts descriptors, 0 where that is not possible.
func openFiles(testing.TB) int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

// FuzzTwoPeers of LIMITS. The seeds are games of both kinds, over each kind of
// pipe, with and without compression.
func FuzzTwoPeers(f *testing.F) {
	f.Add([]byte{})
	for i := range 32 {
		seed := make([]byte, 1+i*8)
		for j := range seed {
			seed[j] = byte(i*(j+1) + j*j)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		playPipe(t, newDice(1, data), 4)
	})
}

// The same for as long as there is time, and over sockets. The seed of a game
// that fails is its name.
func TestStress(t *testing.T) {
	end := time.Now().Add(3 * time.Second)
	first := rand.Uint64N(1 << 32)
	if testing.Short() {
		end = time.Now().Add(time.Second)
	}
	for seed := first; time.Now().Before(end) && !t.Failed(); seed++ {
		for kind, play := range map[string]func(*testing.T, *dice){
			"pipe": func(t *testing.T, d *dice) { playPipe(t, d, 10) },
			"TCP":  func(t *testing.T, d *dice) { playSocket(t, d, 30, false) },
			"TLS":  func(t *testing.T, d *dice) { playSocket(t, d, 30, true) },
		} {
			t.Run(fmt.Sprint(kind, seed), func(t *testing.T) { play(t, newDice(seed, nil)) })
		}
	}
}
