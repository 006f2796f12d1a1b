package framediff

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
)

// memConn is a connection whose peer has sent everything and is gone.
type memConn struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (c *memConn) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *memConn) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *memConn) Close() error                     { return nil }
func (c *memConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *memConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *memConn) SetDeadline(time.Time) error      { return nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }

// hijackable is a response writer that gives up a memConn.
type hijackable struct {
	*httptest.ResponseRecorder
	conn *memConn
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

func upgrade(p []byte) (hijackable, *http.Request) {
	r := httptest.NewRequest(http.MethodGet, "http://host/", nil)
	for k, v := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-Websocket-Version": "13", "Sec-Websocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		r.Header.Set(k, v)
	}
	return hijackable{httptest.NewRecorder(), &memConn{in: bytes.NewReader(p)}}, r
}

func readGorilla(p []byte) (t transcript, err error) {
	w, r := upgrade(p)
	c, err := (&gorilla.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return t, err
	}
	c.SetReadLimit(sizeLimit)
	c.SetPingHandler(func(s string) error { t.ping([]byte(s)); return nil })
	c.SetPongHandler(func(s string) error { t.pong([]byte(s)); return nil })
	c.SetCloseHandler(func(code int, reason string) error { t.close(uint16(code), reason); return nil })
	for {
		typ, p, err := c.ReadMessage()
		if err != nil {
			return t, nil
		}
		t.message(typ == gorilla.TextMessage, p)
	}
}

func readCoder(p []byte) (t transcript, err error) {
	w, r := upgrade(p)
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		OnPingReceived: func(_ context.Context, p []byte) bool { t.ping(p); return true },
		OnPongReceived: func(_ context.Context, p []byte) { t.pong(p) },
	})
	if err != nil {
		return t, err
	}
	defer c.CloseNow()
	c.SetReadLimit(sizeLimit)
	for {
		typ, p, err := c.Read(context.Background())
		if ce := (websocket.CloseError{}); errors.As(err, &ce) {
			t.close(uint16(ce.Code), ce.Reason)
		}
		if err != nil {
			return t, nil
		}
		t.message(typ == websocket.MessageText, p)
	}
}

func readGobwas(p []byte) (t transcript, err error) {
	src := bytes.NewReader(p)
	rd := &wsutil.Reader{
		Source: src, State: ws.StateServerSide, CheckUTF8: true,
		MaxFrameSize: sizeLimit, MaxMessageSize: sizeLimit,
	}
	control := func(h ws.Header, body io.Reader) error {
		p, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		if int64(len(p)) < h.Length {
			return io.ErrUnexpectedEOF
		}
		switch h.OpCode {
		case ws.OpPing:
			t.ping(p)
		case ws.OpPong:
			t.pong(p)
		}
		handler := wsutil.ControlHandler{Src: bytes.NewReader(p), Dst: io.Discard, State: ws.StateServerSide, DisableSrcCiphering: true}
		err = handler.Handle(h)
		if ce := (wsutil.ClosedError{}); errors.As(err, &ce) {
			t.close(uint16(ce.Code), ce.Reason)
		}
		return err
	}
	rd.OnIntermediate = control
	for {
		h, err := rd.NextFrame()
		if err != nil {
			return t, nil
		}
		if h.OpCode.IsControl() {
			if err := control(h, rd); err != nil {
				return t, nil
			}
			continue
		}
		p, err := io.ReadAll(rd)
		if err != nil {
			return t, nil
		}
		t.message(h.OpCode == ws.OpText, p)
	}
}

type gwsEvents struct {
	gws.BuiltinEventHandler
	t   *transcript
	end *gws.CloseError
}

func (e *gwsEvents) OnPing(_ *gws.Conn, p []byte) { e.t.ping(p) }
func (e *gwsEvents) OnPong(_ *gws.Conn, p []byte) { e.t.pong(p) }

func (e *gwsEvents) OnMessage(_ *gws.Conn, m *gws.Message) {
	e.t.message(m.Opcode == gws.OpcodeText, m.Bytes())
	_ = m.Close()
}

func (e *gwsEvents) OnClose(_ *gws.Conn, err error) {
	_ = errors.As(err, &e.end)
}

func readGWS(p []byte) (t transcript, err error) {
	w, r := upgrade(p)
	e := &gwsEvents{t: &t}
	up := gws.NewUpgrader(e, &gws.ServerOption{CheckUtf8Enabled: true, ReadMaxPayloadSize: sizeLimit})
	c, err := up.Upgrade(w, r)
	if err != nil {
		return t, err
	}
	w.conn.out.Reset()
	c.ReadLoop()
	if e.end == nil {
		return t, nil
	}
	// A close frame that is refused is reported as well: the answer tells. The
	// registered codes are answered with 1000, others with themselves.
	out := w.conn.out.Bytes()
	switch {
	case e.end.Code == 0 && len(out) == 2:
		t.close(1005, "")
	case e.end.Code == 0:
	case len(out) >= 4 && (out[2] != 0x03 || out[3] == 0xe8):
		t.close(e.end.Code, string(e.end.Reason))
	}
	return t, nil
}
