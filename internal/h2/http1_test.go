package h2_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/internal/h2"
)

// A server that answers in HTTP/1.1 is told from one that breaks HTTP/2.
func TestServerSpeaksHTTP1(t *testing.T) {
	var c h2.Conn
	c.Init(&h2.Config{Role: h2.RoleClient})
	defer c.Free()
	_, _, _, err := c.Next([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
	if ce, ok := errors.AsType[*h2.ConnError](err); !ok || ce.Code != h2.ErrCodeProtocol || !strings.Contains(ce.Reason, "HTTP/1.1") {
		t.Errorf("error %v", err)
	}
}
