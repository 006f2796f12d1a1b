package interop_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
)

// stomp is a frame of STOMP 1.2, one of which is in each message.
type stomp struct {
	command string
	header  map[string]string
	body    string
}

// frame makes a frame of a command, names and values by turns, and a body.
func frameOf(command, body string, header ...string) *stomp {
	f := &stomp{command, map[string]string{}, body}
	for pair := range slices.Chunk(header, 2) {
		f.header[pair[0]] = pair[1]
	}
	return f
}

func (f *stomp) bytes() []byte {
	b := []byte(f.command + "\n")
	for name, value := range f.header {
		b = fmt.Appendf(b, "%s:%s\n", name, value)
	}
	return append(b, "\n"+f.body+"\x00"...)
}

// parseSTOMP reads a message. Line ends after a frame, and alone, mean nothing.
func parseSTOMP(p []byte) (*stomp, error) {
	head, body, ok := bytes.Cut(p, []byte("\n\n"))
	body = bytes.TrimRight(body, "\n")
	if !ok || !bytes.HasSuffix(body, []byte{0}) {
		return nil, fmt.Errorf("%.200q is no frame of STOMP", p)
	}
	lines := strings.Split(string(head), "\n")
	f := frameOf(lines[0], string(body[:len(body)-1]))
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		f.header[name] = value
	}
	return f, nil
}

// stomper speaks STOMP by a socket.
type stomper struct {
	*websocket.Conn
	t   *testing.T
	ctx context.Context
}

func (s *stomper) send(f *stomp) {
	s.t.Helper()
	if err := s.Write(s.ctx, websocket.MessageText, f.bytes()); err != nil {
		s.t.Fatal(err)
	}
}

// want reads a frame of the command.
func (s *stomper) want(command string) *stomp {
	s.t.Helper()
	_, p, err := s.Read(s.ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	f, err := parseSTOMP(p)
	if err != nil {
		s.t.Fatal(err)
	}
	if f.command != command {
		s.t.Fatalf("%s %v %q came, want %s", f.command, f.header, f.body, command)
	}
	return f
}

// login is what a client says first.
func login(password string) *stomp {
	return frameOf("CONNECT", "", "accept-version", "1.2", "host", "/", "login", "guest", "passcode", password, "heart-beat", "0,0")
}
