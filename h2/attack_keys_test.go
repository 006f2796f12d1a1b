package h2_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// records writes TLS records as a client whose keys are known (RFC 8446).
type records struct {
	t      *testing.T
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

func (r *records) expand(label string, n int) []byte {
	info := []byte{0, byte(n), byte(6 + len(label))}
	info = append(append(append(info, "tls13 "...), label...), 0)
	b, err := hkdf.Expand(sha256.New, r.secret, string(info), n)
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

func (r *records) keys() {
	block, err := aes.NewCipher(r.expand("key", 16))
	if err != nil {
		r.t.Fatal(err)
	}
	if r.aead, err = cipher.NewGCM(block); err != nil {
		r.t.Fatal(err)
	}
	r.iv, r.seq = r.expand("iv", 12), 0
}

// record appends a record.
func (r *records) record(dst []byte, typ byte, data ...byte) []byte {
	nonce := bytes.Clone(r.iv)
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^r.seq)
	r.seq++
	n := len(data) + 1 + r.aead.Overhead()
	head := []byte{23, 3, 3, byte(n >> 8), byte(n)}
	return r.aead.Seal(append(dst, head...), nonce, append(data, typ), head)
}

// update appends a KeyUpdate that wants another in return.
func (r *records) update(dst []byte) []byte {
	dst = r.record(dst, 22, 24, 0, 0, 1, 1)
	r.secret = r.expand("traffic upd", 32)
	r.keys()
	return dst
}

// A client that updates its keys without end, wants the server to do the same, and
// does not read: crypto/tls answers each time, in the middle of one Read.
func TestAttackKeyUpdates(t *testing.T) {
	v := &victim{tr: "tls"}
	v.host = start(t, setup{transport: "tls", server: func(s *http.Server) {
		s.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
			nc.(*tls.Conn).NetConn().(*net.TCPConn).SetWriteBuffer(4 << 10) // where the answers wait is of interest
			return ctx
		}
	}}, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			<-r.Context().Done()
		}
	})
	nc, err := net.Dial("tcp", v.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	var keys bytes.Buffer
	tc := tls.Client(nc, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}, KeyLogWriter: &keys})
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	if s := tc.ConnectionState().CipherSuite; s != tls.TLS_AES_128_GCM_SHA256 {
		t.Fatalf("cipher suite %s", tls.CipherSuiteName(s))
	}
	r := &records{t: t}
	for line := range strings.Lines(keys.String()) {
		if f := strings.Fields(line); f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			if r.secret, err = hex.DecodeString(f[2]); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.keys()
	nc.SetDeadline(time.Now().Add(4 * patience)) // deriving keys takes its time
	hello := http2.ClientPreface + string(frame(http2.FrameSettings, 0, 0, "")) + string(frame(http2.FrameSettings, 1, 0, ""))
	if _, err := nc.Write(r.record(nil, 23, []byte(hello)...)); err != nil {
		t.Fatal(err)
	}
	var b []byte
	content := ask(1, false)
	for range 4 {
		content = append(content, frame(http2.FrameData, 0, 1, strings.Repeat("x", 16<<10))...)
	}
	sent := 0
	for err == nil {
		b = b[:0]
		for range 30 { // crypto/tls wants something between them now and then
			b, content = r.record(b, 23, content[0]), content[1:]
			for range 16 {
				b = r.update(b)
			}
		}
		var n int
		n, err = nc.Write(b)
		sent += n
	}
	t.Logf("%d KiB of updates sent", sent>>10)
	if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
		t.Error("the connection lives")
	}
	v.serves(t)
}
