// Package arch holds the rules of which package may import which, each with
// its reason. Its tests hold the whole module to them, and the pages of
// documentation to the files they name.
//
// A new import is a decision: it is made here, in words, or not at all.
package arch

// Module is the path of the module the rules are about.
const Module = "github.com/lariat-go/websocket"

// Std stands, in the imports of a [Rule], for every package of the standard
// library that is not in [Forbidden].
const Std = "the standard library"

// Rule is what one package may import.
type Rule struct {
	Package string            // path below the module's; "." is the root
	Imports map[string]string // what may be imported, and why; our own packages by their path below the module's
	Only    map[string]string // of an import, the one exported name that may be used
}

// Forbidden returns what no package may import through [Std], and why.
func Forbidden() map[string]string {
	return map[string]string{
		"C":              "no cgo: the module builds everywhere Go does, without a C compiler",
		"unsafe":         "memory safety is what a parser of strangers' bytes is for; each use has a row of its own",
		"plugin":         "nothing is loaded at run time",
		"math/rand":      "keys and masks come from crypto/rand",
		"math/rand/v2":   "keys and masks come from crypto/rand",
		"compress/flate": "its writers can't keep to small windows; deflate has its own",
		"log":            "messages go to the caller's slog.Logger",
		"expvar":         "it registers handlers for the whole process when it is imported",
		"net/http/pprof": "it registers handlers for the whole process when it is imported",
	}
}

// CoreForbidden returns what the core packages must not import, in whatever
// way, and why. It says in general what their rows say one by one.
func CoreForbidden() map[string]string {
	return map[string]string{
		"net/http":  "the core knows bytes, not requests",
		"time":      "the core reads no clock",
		"sync":      "a core value belongs to one goroutine; pools live in internal/bufpool",
		"context":   "the core never waits",
		"os":        "the core moves no bytes",
		"net":       "the core moves no bytes; net.ErrClosed is the one exception, and protocol's",
		"io/fs":     "the core moves no bytes",
		"log/slog":  "the core returns events and errors, and tells nobody else",
		"testing":   "it belongs to tests",
		"runtime":   "the core starts no goroutine and sees none",
		"os/signal": "the core hears no signals",
	}
}

// Core returns the packages that move no bytes, start no goroutine and read no
// clock.
func Core() []string { return []string{"frame", "extension", "deflate", "protocol"} }

// Rules returns the rule of every package of the module.
func Rules() []Rule {
	return append(coreRules(), shellRules()...)
}

func coreRules() []Rule {
	return []Rule{
		{Package: "frame", Imports: map[string]string{
			"encoding/binary": "lengths and masking by words",
			"math/bits":       "turning the masking-key",
			"strconv":         "numbers in the text of opcodes and codes",
			"unicode/utf8":    "the reason of a close frame is UTF-8",
		}},
		{Package: "extension", Imports: map[string]string{
			"frame":   "a codec owns reserved bits and returns violations",
			"errors":  "ErrTooMany",
			"fmt":     "error texts",
			"strings": "formatting headers",
		}},
		{Package: "deflate", Imports: map[string]string{
			"extension":        "permessage-deflate is an extension",
			"frame":            "it owns RSV1 and returns violations",
			"internal/bufpool": "windows, scratch space and compressors are borrowed for one message",
			"internal/option":  "a setting that can't be used is an option error",
			"encoding/binary":  "reading and writing blocks by words",
			"fmt":              "error texts",
			"math/bits":        "bit lengths of codes",
			"strconv":          "window bits in parameters",
			"slices":           "growing buffers",
			"sync/atomic":      "the budget of context memory, shared by connections",
		}},
		{Package: "protocol", Imports: map[string]string{
			"extension":        "messages pass through a codec",
			"frame":            "frames and violations",
			"internal/bufpool": "space for a message that is inflated or put together",
			"internal/maskkey": "the masking-keys of a client",
			"encoding/binary":  "looking at text by words",
			"errors":           "matching causes",
			"fmt":              "error texts",
			"io":               "io.ErrUnexpectedEOF: the transport ended without a close frame",
			"math":             "the largest size, where there is no limit",
			"net":              "a CloseError matches net.ErrClosed",
			"strings":          "error texts",
			"unicode/utf8":     "text messages are UTF-8",
		}, Only: map[string]string{"net": "ErrClosed"}},
		{Package: "handshake", Imports: map[string]string{
			"extension":       "extensions are negotiated in the opening handshake",
			"internal/option": "a setting that can't be used is an option error",
			"crypto/rand":     "the key of a client",
			"crypto/sha1":     "Sec-WebSocket-Accept (RFC 6455, section 4.2.2)",
			"encoding/base64": "the key and its answer",
			"errors":          "the reasons of a refusal",
			"fmt":             "error texts",
			"maps":            "copying headers",
			"net/http":        "Header and Request, as types",
			"net/netip":       "a host that is an address",
			"net/url":         "URLs and origins",
			"slices":          "looking through lists",
			"strconv":         "ports",
			"strings":         "names and values",
		}},
	}
}

func shellRules() []Rule {
	std := "a shell moves bytes, waits and reads clocks"
	return []Rule{
		{Package: "internal/bufpool", Imports: map[string]string{
			"math/bits":   "size classes are powers of two",
			"sync":        "pools",
			"sync/atomic": "the count of what is out",
			"unsafe":      "the address of a slice's memory fits a pool without an allocation",
		}},
		{Package: "internal/maskkey", Imports: map[string]string{
			"frame":       "a masking-key is a frame.Mask",
			"crypto/rand": "masking-keys come from a strong source (RFC 6455, section 5.3)",
			"sync":        "blocks of random bytes are pooled",
		}},
		{Package: "internal/option", Imports: map[string]string{
			"fmt": "error text",
		}},
		{Package: "internal/leakcheck", Imports: map[string]string{
			Std:                "it looks at what the process holds",
			"internal/bufpool": "buffers that were not given back",
		}},
		{Package: "internal/arch", Imports: map[string]string{}},
		{Package: "internal/rawserver", Imports: map[string]string{
			Std: "it listens, for tests",
		}},
		{Package: "internal/h1", Imports: map[string]string{
			Std: std,
		}},
		{Package: "internal/h2", Imports: map[string]string{
			"internal/bufpool":             "frames that came in part, and what is staged, are borrowed",
			"encoding/binary":              "numbers of frames",
			"cmp":                          "sorting streams that a GOAWAY refused",
			"io":                           "io.ErrUnexpectedEOF: the bytes ended inside a frame",
			"math":                         "no limit",
			"errors":                       "errors of the methods that send",
			"fmt":                          "error texts",
			"slices":                       "lists of streams and fields",
			"strconv":                      "status and content-length",
			"strings":                      "names and values",
			"golang.org/x/net/http2/hpack": "header compression (RFC 7541)",
		}},
		{Package: "internal/h2http", Imports: map[string]string{
			Std:           std,
			"internal/h1": "what a name and a value may hold",
			"internal/h2": "header blocks",
		}},
		{Package: "internal/roundtrip", Imports: map[string]string{
			Std:                std,
			"internal/bufpool": "buffers held only while there are bytes",
			"internal/h1":      "what a name and a value may hold",
			"internal/h2":      "error codes",
			"internal/h2conn":  "streams of HTTP/2",
			"internal/h2http":  "heads of HTTP/2, and what may be sent again",
		}},
		{Package: "internal/h2conn", Imports: map[string]string{
			Std:                std,
			"internal/bufpool": "buffers held only while there are bytes",
			"internal/h2":      "the rules of HTTP/2",
			"internal/option":  "what 0 and negative settings mean",
			"internal/poll":    "the engine of TLS on Linux",
			"internal/stream":  "the transport under a connection",
		}},
		{Package: "internal/h2peer", Imports: map[string]string{
			Std:                            std,
			"golang.org/x/net/http2":       "the frames of tests are made by somebody else",
			"golang.org/x/net/http2/hpack": "and so are their header blocks",
		}},
		{Package: "internal/poll", Imports: map[string]string{
			Std:                     std,
			"golang.org/x/sys/unix": "eventfd, writev and duplicating a descriptor, which package syscall does not have",
			"unsafe":                "in unsafe_tls.go alone: crypto/tls has no way of moving a connection to another net.Conn",
		}},
		{Package: "internal/stream", Imports: map[string]string{
			Std:                     std,
			"internal/bufpool":      "buffers borrowed when there is something to put into them",
			"golang.org/x/sys/unix": "writev in one call inside a RawConn callback, which package syscall does not have",
		}},
		{Package: "internal/dial", Imports: map[string]string{
			Std:                      std,
			"handshake":              "the client's half of an opening handshake",
			"internal/bufpool":       "buffers held only while an answer comes",
			"internal/h1":            "CONNECT, and opening handshakes over HTTP/1.1",
			"internal/h2":            "header blocks and error codes of HTTP/2",
			"internal/h2conn":        "opening handshakes on streams",
			"internal/h2http":        "header fields by net/http's names",
			"internal/option":        "a proxy or a header that can't be used is an option error",
			"internal/stream":        "what carries a connection after its handshake",
			"golang.org/x/net/proxy": "SOCKS5 proxies",
		}},
		{Package: ".", Imports: map[string]string{
			Std:                  std,
			"extension":          "extensions as settings, and what was negotiated",
			"frame":              "opcodes, codes and violations",
			"handshake":          "both ends of the opening handshake",
			"internal/bufpool":   "buffers held only while there are bytes",
			"internal/dial":      "the way to a server, and opening handshakes on it",
			"internal/h2":        "header blocks and error codes of HTTP/2",
			"internal/h2conn":    "connections and streams of HTTP/2",
			"internal/h2http":    "the heads of requests",
			"internal/roundtrip": "requests of a Pool",
			"internal/option":    "OptionError",
			"internal/stream":    "the transport under Conn",
			"protocol":           "the state machine under Conn",
			"math/rand/v2":       "keepalive intervals vary, so that connections opened together do not ping together",
		}, Only: map[string]string{"math/rand/v2": "N"}},
		{Package: "httpconn", Imports: map[string]string{
			"extension":       "lists of tokens in a field",
			"handshake":       "both halves of an opening handshake, as data",
			"internal/h1":     "the heads and bodies of HTTP/1.1",
			"internal/h2":     "the rules of HTTP/2",
			"internal/h2http": "the names of fields in HTTP/2",
			"internal/option": "a setting that can't be used is an option error",
			"protocol":        "an accepted WebSocket is an Endpoint",
			"errors":          "what calls are refused with",
			"fmt":             "error texts",
			"io":              "io.ErrUnexpectedEOF: the connection ended in the middle of something",
			"maps":            "the streams under way",
			"math":            "the largest window and size",
			"net/http":        "Header and names of statuses and methods",
			"slices":          "the streams in their order",
			"strings":         "error texts",
		}},
		{Package: "h2", Imports: map[string]string{
			".":                "its streams become connections of the root",
			Std:                std,
			"extension":        "lists of tokens in a field",
			"internal/h1":      "what a name and a value may hold",
			"internal/bufpool": "buffers held only while there are bytes",
			"internal/h2":      "header blocks, settings and error codes",
			"internal/poll":    "the engine of TLS on Linux, shared by a server's connections",
			"internal/h2conn":  "connections and streams",
			"internal/option":  "a setting that can't be used is an option error",
			"log":              "the type of http.Server's ErrorLog, and net/http's default for it",
		}},
		{Package: "server", Imports: map[string]string{
			".":                "the opening handshake, messages and options are the root's",
			Std:                std,
			"extension":        "what was negotiated, and codecs",
			"frame":            "opcodes, codes and violations",
			"handshake":        "what an opening handshake agreed on",
			"internal/bufpool": "buffers held only while there are bytes",
			"internal/h2":      "error codes of streams",
			"internal/h2conn":  "streams that run sessions on the goroutine of their connection",
			"internal/poll":    "the engine on Linux",
			"internal/stream":  "the transport of sessions with a goroutine",
			"protocol":         "the state machine under a session",
			"math/rand/v2":     "ticks vary, so that sessions opened together do not ping together",
		}, Only: map[string]string{"math/rand/v2": "Int64N"}},
		{Package: "client", Imports: map[string]string{
			".":                  "its sockets are the root's, and so are errors and options",
			Std:                  std,
			"extension":          "tokens of the field Connection",
			"frame":              "headers of frames, for hooks",
			"handshake":          "opening handshakes",
			"httpconn":           "HTTP/1.1 without I/O",
			"internal/bufpool":   "buffers held only while there are bytes",
			"internal/dial":      "the way to a server, and opening handshakes on it",
			"internal/h1":        "the head of an answer",
			"internal/h2":        "error codes and settings of HTTP/2",
			"internal/h2conn":    "connections of HTTP/2",
			"internal/h2http":    "heads of requests",
			"internal/option":    "what 0 and negative settings mean",
			"internal/roundtrip": "exchanges of requests and responses",
			"internal/stream":    "the transport under a session",
			"protocol":           "roles",
		}},
		{Package: "reconnect", Imports: map[string]string{
			".":               "messages, options and errors are the root's",
			Std:               std,
			"client":          "each attempt is a connection of its own",
			"frame":           "violations, and text that is not UTF-8",
			"handshake":       "a URL is judged before anything happens",
			"internal/dial":   "the rule for redirects",
			"internal/option": "defaults of limits",
			"internal/stream": "the error for a context that has ended",
			"math/rand/v2":    "waits vary, so that clients that lost their server together do not come back together",
		}, Only: map[string]string{"math/rand/v2": "N"}},
		{Package: "wsjson", Imports: map[string]string{
			".":                "it reads and writes messages of a Conn",
			Std:                std,
			"internal/bufpool": "buffers held for one message",
		}},
		{Package: "wstest", Imports: map[string]string{
			".":         "the server for users' tests gives a Conn",
			Std:         std,
			"frame":     "a scripted peer speaks frames",
			"handshake": "a scripted peer shakes hands",
			"protocol":  "roles",
		}},
		{Package: "examples/process-less", Imports: map[string]string{
			Std:                     std,
			".":                     "its own server accepts",
			"frame":                 "opcodes and status codes",
			"h2":                    "its own server speaks HTTP/2",
			"handshake":             "the opening handshake",
			"httpconn":              "the connection it drives",
			"protocol":              "the WebSocket it drives",
			"golang.org/x/sys/unix": "a socket that does not block, and poll",
		}},
		{Package: "cmd/lariat", Imports: map[string]string{
			".":                      "the command is made of the library's public parts",
			Std:                      std,
			"client":                 "request, --request, --owner-events and chains of proxies",
			"deflate":                "--deflate",
			"extension":              "--deflate, and what was negotiated",
			"frame":                  "decode shows frames and violations",
			"h2":                     "serve and demo speak HTTP/2",
			"handshake":              "exit codes tell refusals apart",
			"protocol":               "decode runs the state machine",
			"reconnect":              "--reconnect",
			"server":                 "serve and demo are made of its sessions",
			"log":                    "the type of http.Server's ErrorLog",
			"github.com/spf13/cobra": "commands, flags, help and completion",
			"github.com/spf13/pflag": "cobra's flags",
			"golang.org/x/term":      "line editing, and colours only on a terminal",
		}},
	}
}
