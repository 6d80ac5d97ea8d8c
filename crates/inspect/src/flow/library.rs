//! What functions outside of the package do. Paths are as code names them after aliases are resolved; `()`
//! stands for the result of a call, so `requests.Session().post` is a method of what `Session()` gives.

use super::value::Source;
use crate::act::ActKind;

/// How text is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Base64,
    Hex,
    Base32,
    Ascii85,
    Zlib,
    Gzip,
    Percent,
    Rot13,
    /// A code object: cannot be read here.
    Opaque,
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Gives something telling.
    Gives(Source, &'static str),
    /// Gives the variable that its first argument names.
    Variable,
    /// Gives the content of the file its first argument names.
    ReadFile,
    /// Gives a file object.
    Open,
    /// Gives its first argument.
    Same,
    /// Gives its arguments put together as a path.
    JoinPath,
    /// Gives a fixed text.
    Text(&'static str),
    /// Decodes its first argument.
    Decode(Codec),
    /// Gives an object whose methods send to its first argument.
    Channel,
    /// Does this with its first argument as where to and all of them as what.
    Does(ActKind),
    /// Fetches its first argument into the file of its second.
    FetchToFile,
    /// Runs code.
    Eval,
    /// Starts a program.
    Spawn,
    /// Gives a module named by its first argument.
    Import,
    /// Gives attribute `second argument` of its first.
    GetAttribute,
    /// Calls its function arguments by itself.
    CallsBack,
    /// Walks through folders.
    Walk,
    /// Gives the characters its arguments number.
    FromCodes,
    /// Gives a new temporary path.
    TempPath,
    /// Gives what is promised to a callback.
    Promisify,
}

use Effect as E;

/// The effect of calling `path`.
pub(crate) fn call(path: &str) -> Option<Effect> {
    let path = trimmed(path);
    python(path).or_else(|| node(path)).or_else(|| method(path))
}

/// What reading `path` gives without a call.
pub(crate) fn read(path: &str) -> Option<(Source, &'static str)> {
    Some(match trimmed(path) {
        "os.environ" | "process.env" | "os.environb" | "Deno.env" | "Bun.env"
        | "import.meta.env" => (Source::Environment, "the environment"),
        "sys.platform"
        | "os.name"
        | "process.platform"
        | "process.arch"
        | "process.version"
        | "sys.version"
        | "process.versions"
        | "navigator.userAgent"
        | "sys.version_info" => (Source::Platform, "the system"),
        "document.cookie" => (Source::Secret, "the page's cookies"),
        _ => return None,
    })
}

/// Names that mean the same thing with or without them.
fn trimmed(path: &str) -> &str {
    let mut path = path;
    for prefix in [
        "globalThis.",
        "window.",
        "global.",
        "self.",
        "builtins.",
        "__builtins__.",
        "node:",
        "globals().",
        "module.",
        "process.mainModule.",
        "top.",
    ] {
        if let Some(rest) = path.strip_prefix(prefix) {
            path = rest;
        }
    }
    path
}

fn python(path: &str) -> Option<Effect> {
    Some(match path {
        "socket.gethostname" | "platform.node" | "socket.getfqdn" | "os.uname"
        | "platform.uname" => E::Gives(Source::Host, "the host name"),
        "getpass.getuser" | "os.getlogin" | "pwd.getpwuid" | "os.getuid" => {
            E::Gives(Source::Host, "the user name")
        }
        "os.getcwd" | "Path.cwd" | "pathlib.Path.cwd" => {
            E::Gives(Source::Host, "the working folder")
        }
        "uuid.getnode" => E::Gives(Source::Host, "the hardware address"),
        "platform.platform"
        | "platform.system"
        | "platform.release"
        | "platform.version"
        | "platform.machine"
        | "platform.processor"
        | "platform.architecture"
        | "sysconfig.get_platform"
        | "distutils.util.get_platform"
        | "platform.python_version" => E::Gives(Source::Platform, "the system"),
        "pyperclip.paste" | "win32clipboard.GetClipboardData" | "clipboard.paste" => {
            E::Gives(Source::Clipboard, "the clipboard")
        }
        "PIL.ImageGrab.grab"
        | "ImageGrab.grab"
        | "pyautogui.screenshot"
        | "mss.mss().grab"
        | "mss.mss().shot"
        | "cv2.VideoCapture().read"
        | "sounddevice.rec" => E::Gives(Source::Spied, "the screen, camera or microphone"),
        "browser_cookie3.chrome"
        | "browser_cookie3.load"
        | "browser_cookie3.firefox"
        | "browser_cookie3.edge"
        | "keyring.get_password"
        | "win32crypt.CryptUnprotectData" => E::Gives(Source::Secret, "a store of secrets"),
        "os.getenv"
        | "os.environ.get"
        | "os.environ.pop"
        | "os.environ.setdefault"
        | "process.env.get" => E::Variable,
        "os.environ.copy"
        | "os.environ.items"
        | "os.environ.values"
        | "os.environ.__repr__"
        | "Deno.env.toObject"
        | "os.environ.__str__" => E::Gives(Source::Environment, "the environment"),
        "open" | "io.open" | "codecs.open" | "os.open" | "os.fdopen" | "gzip.open"
        | "aiofiles.open" | "sqlite3.connect" => E::Open,
        "os.path.expanduser" | "os.path.expandvars" | "str" | "bytes" | "pathlib.Path" | "Path"
        | "pathlib.PurePath" | "os.path.abspath" | "os.path.normpath" | "os.path.realpath"
        | "bytearray" | "os.fspath" | "repr" | "shlex.quote" | "list" | "dict" | "tuple"
        | "iter" | "io.BytesIO" | "io.StringIO" | "BytesIO" | "textwrap.dedent" | "json.loads"
        | "sorted" | "memoryview" | "copy.copy" | "copy.deepcopy" | "sys.intern" => E::Same,
        "os.path.join" | "posixpath.join" | "ntpath.join" => E::JoinPath,
        "Path.home" | "pathlib.Path.home" => E::Text("~"),
        "tempfile.gettempdir" => E::Text("/tmp"),
        "tempfile.mktemp"
        | "tempfile.NamedTemporaryFile"
        | "tempfile.mkstemp"
        | "tempfile.mkdtemp"
        | "tempfile.TemporaryDirectory"
        | "tempfile.TemporaryFile" => E::TempPath,
        "base64.b64decode"
        | "base64.standard_b64decode"
        | "base64.urlsafe_b64decode"
        | "binascii.a2b_base64"
        | "base64.decodebytes"
        | "b64decode"
        | "atob" => E::Decode(Codec::Base64),
        "base64.b16decode" | "binascii.unhexlify" | "binascii.a2b_hex" | "bytes.fromhex"
        | "bytearray.fromhex" => E::Decode(Codec::Hex),
        "base64.b32decode" => E::Decode(Codec::Base32),
        "base64.b85decode" | "base64.a85decode" => E::Decode(Codec::Ascii85),
        "zlib.decompress" | "zlib.inflateSync" | "zlib.unzipSync" | "pako.inflate" => {
            E::Decode(Codec::Zlib)
        }
        "gzip.decompress" | "zlib.gunzipSync" | "pako.ungzip" => E::Decode(Codec::Gzip),
        "marshal.loads"
        | "dill.loads"
        | "lzma.decompress"
        | "bz2.decompress"
        | "zlib.brotliDecompressSync"
        | "cryptography.fernet.Fernet().decrypt"
        | "crypto.createDecipheriv().update"
        | "crypto.createDecipher().update"
        | "Crypto.Cipher.AES.new().decrypt" => E::Decode(Codec::Opaque),
        "urllib.parse.unquote"
        | "unescape"
        | "decodeURIComponent"
        | "decodeURI"
        | "urllib.unquote" => E::Decode(Codec::Percent),
        "exec"
        | "eval"
        | "execfile"
        | "runpy.run_path"
        | "vm.runInThisContext"
        | "vm.runInNewContext"
        | "vm.runInContext"
        | "vm.Script"
        | "Function"
        | "Function.constructor"
        | "types.FunctionType"
        | "code.InteractiveInterpreter().runcode"
        | "Module()._compile"
        | "_compile"
        | "require(module)()._compile"
        | "execScript"
        | "vm.compileFunction" => E::Eval,
        "compile" | "types.CodeType" => E::Same,
        "os.system"
        | "os.popen"
        | "subprocess.Popen"
        | "subprocess.run"
        | "subprocess.call"
        | "subprocess.check_output"
        | "subprocess.check_call"
        | "subprocess.getoutput"
        | "subprocess.getstatusoutput"
        | "os.startfile"
        | "pty.spawn"
        | "os.execl"
        | "os.execv"
        | "os.execve"
        | "os.execvp"
        | "os.spawnl"
        | "os.spawnv"
        | "os.spawnvp"
        | "commands.getoutput"
        | "asyncio.create_subprocess_shell"
        | "asyncio.create_subprocess_exec"
        | "os.posix_spawn"
        | "ctypes.windll.shell32.ShellExecuteW"
        | "win32api.WinExec"
        | "sh.Command" => E::Spawn,
        "urllib.request.urlretrieve"
        | "urllib.urlretrieve"
        | "wget.download"
        | "urlretrieve"
        | "torch.hub.download_url_to_file" => E::FetchToFile,
        "requests.get"
        | "requests.post"
        | "requests.put"
        | "requests.patch"
        | "requests.delete"
        | "requests.head"
        | "requests.request"
        | "httpx.get"
        | "httpx.post"
        | "httpx.put"
        | "httpx.request"
        | "httpx.stream"
        | "urllib.request.urlopen"
        | "urllib.urlopen"
        | "urllib2.urlopen"
        | "aiohttp.request"
        | "urllib3.request"
        | "requests.api.post"
        | "requests.api.get"
        | "cloudscraper.create_scraper().get"
        | "cloudscraper.create_scraper().post"
        | "pycurl.Curl().perform" => E::Does(ActKind::Net),
        "urllib.request.Request"
        | "urllib2.Request"
        | "http.client.HTTPSConnection"
        | "http.client.HTTPConnection"
        | "httplib.HTTPSConnection"
        | "websocket.create_connection"
        | "smtplib.SMTP"
        | "smtplib.SMTP_SSL"
        | "ftplib.FTP"
        | "discord_webhook.DiscordWebhook"
        | "dhooks.Webhook"
        | "telebot.TeleBot"
        | "telegram.Bot"
        | "discord.Webhook.from_url"
        | "discord.SyncWebhook.from_url"
        | "xmlrpc.client.ServerProxy" => E::Channel,
        "socket.gethostbyname"
        | "socket.getaddrinfo"
        | "socket.gethostbyname_ex"
        | "dns.resolver.resolve"
        | "dns.resolver.query"
        | "dns.resolver.Resolver().resolve"
        | "dns.lookup"
        | "dns.resolve"
        | "dns.resolve4"
        | "dns.resolve6"
        | "dns.resolveTxt"
        | "dns.promises.lookup"
        | "dns.promises.resolve"
        | "dns.Resolver().resolve4"
        | "dns.Resolver().resolve"
        | "dns/promises.lookup"
        | "dns/promises.resolve4" => E::Does(ActKind::Resolve),
        "socket.create_connection" => E::Does(ActKind::Connect),
        "os.chmod" => E::Does(ActKind::Chmod),
        "os.dup2" => E::Does(ActKind::Dup),
        "os.remove" | "os.unlink" | "shutil.rmtree" | "os.rmdir" => E::Does(ActKind::Delete),
        "shutil.copy" | "shutil.copyfile" | "shutil.move" | "os.rename" | "shutil.copy2"
        | "os.replace" => E::Does(ActKind::Write),
        "importlib.import_module"
        | "__import__"
        | "importlib.__import__"
        | "require"
        | "createRequire()"
        | "module.createRequire()" => E::Import,
        "ctypes.CDLL"
        | "ctypes.cdll.LoadLibrary"
        | "ctypes.WinDLL"
        | "importlib.machinery.SourceFileLoader"
        | "importlib.util.spec_from_file_location"
        | "process.dlopen"
        | "imp.load_source" => E::Does(ActKind::Load),
        "getattr" | "Reflect.get" => E::GetAttribute,
        "vars" => E::Same,
        "os.walk" | "glob.glob" | "glob.iglob" | "os.listdir" | "os.scandir" => E::Walk,
        "chr" | "String.fromCharCode" | "String.fromCodePoint" => E::FromCodes,
        "hashlib.sha256"
        | "hashlib.sha512"
        | "hashlib.sha1"
        | "hashlib.md5"
        | "hashlib.new"
        | "crypto.createHash().update"
        | "ssri.fromData"
        | "ssri.checkData" => E::Does(ActKind::Hash),
        "pyperclip.copy"
        | "clipboard.copy"
        | "navigator.clipboard.writeText"
        | "clipboardy.writeSync"
        | "clipboardy.write" => E::Does(ActKind::ClipboardWrite),
        "atexit.register"
        | "threading.Thread"
        | "threading.Timer"
        | "asyncio.run"
        | "multiprocessing.Process"
        | "asyncio.get_event_loop().run_until_complete"
        | "setTimeout"
        | "setInterval"
        | "setImmediate"
        | "process.nextTick"
        | "queueMicrotask"
        | "Promise"
        | "process.on"
        | "process.once"
        | "asyncio.create_task"
        | "_thread.start_new_thread"
        | "concurrent.futures.ThreadPoolExecutor().submit"
        | "map"
        | "asyncio.ensure_future"
        | "ThreadPoolExecutor().submit"
        | "executor.submit"
        | "loop.run_until_complete" => E::CallsBack,
        "pynput.keyboard.Listener"
        | "keyboard.on_press"
        | "keyboard.Listener"
        | "keyboard.on_release" => E::Gives(Source::Spied, "key strokes"),
        _ => return None,
    })
}

fn node(path: &str) -> Option<Effect> {
    Some(match path {
        "os.hostname" => E::Gives(Source::Host, "the host name"),
        "os.userInfo" => E::Gives(Source::Host, "the user name"),
        "os.networkInterfaces" | "ip.address" => E::Gives(Source::Host, "the addresses"),
        "process.cwd" => E::Gives(Source::Host, "the working folder"),
        "os.platform" | "os.arch" | "os.type" | "os.release" | "os.cpus" | "os.totalmem"
        | "os.version" | "process.uptime" | "os.uptime" => E::Gives(Source::Platform, "the system"),
        "clipboardy.readSync"
        | "clipboardy.read"
        | "navigator.clipboard.readText"
        | "electron.clipboard.readText" => E::Gives(Source::Clipboard, "the clipboard"),
        "screenshot-desktop" => E::Gives(Source::Spied, "the screen"),
        "os.homedir" => E::Text("~"),
        "os.tmpdir" => E::Text("/tmp"),
        "fs.readFileSync"
        | "fs.readFile"
        | "fs.promises.readFile"
        | "fs/promises.readFile"
        | "fs-extra.readFileSync"
        | "fs-extra.readFile"
        | "fs.createReadStream"
        | "Bun.file"
        | "Deno.readTextFile"
        | "fs-extra.readJson"
        | "Deno.readTextFileSync" => E::ReadFile,
        "path.join" | "path.resolve" | "path.posix.join" => E::JoinPath,
        "path.normalize"
        | "url.parse"
        | "URL"
        | "Buffer"
        | "String"
        | "JSON.parse"
        | "fs.realpathSync"
        | "Object.values"
        | "Object.entries"
        | "Object.keys"
        | "Object.freeze"
        | "Uint8Array.from"
        | "TextDecoder().decode"
        | "TextEncoder().encode"
        | "Uint8Array"
        | "Array.from"
        | "url.fileURLToPath"
        | "structuredClone"
        | "querystring.stringify"
        | "qs.stringify"
        | "JSON.stringify"
        | "encodeURIComponent"
        | "Object.fromEntries"
        | "URLSearchParams"
        | "json.dumps"
        | "urllib.parse.quote"
        | "url.pathToFileURL" => E::Same,
        "child_process.exec"
        | "child_process.execSync"
        | "child_process.spawn"
        | "child_process.spawnSync"
        | "child_process.execFile"
        | "child_process.execFileSync"
        | "child_process.fork"
        | "execa"
        | "execa.command"
        | "execa.sync"
        | "shelljs.exec"
        | "cross-spawn"
        | "cross-spawn.spawn"
        | "cross-spawn.sync"
        | "Bun.spawn"
        | "Bun.spawnSync"
        | "Deno.Command"
        | "execa.execa"
        | "execa.execaSync"
        | "zx.$"
        | "Bun.$"
        | "open" => E::Spawn,
        "fetch"
        | "axios"
        | "axios.get"
        | "axios.post"
        | "axios.put"
        | "axios.request"
        | "axios.head"
        | "axios.patch"
        | "node-fetch"
        | "node-fetch.default"
        | "node-fetch.fetch"
        | "got"
        | "got.post"
        | "got.get"
        | "got.stream"
        | "request"
        | "request.post"
        | "request.get"
        | "request.put"
        | "undici.fetch"
        | "undici.request"
        | "superagent.post"
        | "superagent.get"
        | "needle"
        | "needle.post"
        | "needle.get"
        | "ky.post"
        | "ky.get"
        | "ky"
        | "bent"
        | "cross-fetch"
        | "cross-fetch.fetch"
        | "isomorphic-fetch"
        | "phin"
        | "request-promise"
        | "navigator.sendBeacon"
        | "$.post"
        | "$.get"
        | "$.ajax"
        | "jQuery.ajax"
        | "jQuery.post"
        | "request-promise.post"
        | "axios.create().post"
        | "axios.create().get"
        | "axios.create()"
        | "simple-get"
        | "simple-get.concat"
        | "make-fetch-happen" => E::Does(ActKind::Net),
        "https.get"
        | "http.get"
        | "https.request"
        | "http.request"
        | "follow-redirects.https.get"
        | "follow-redirects.http.get"
        | "http2.connect"
        | "net.connect"
        | "net.createConnection"
        | "tls.connect"
        | "WebSocket"
        | "ws"
        | "ws.WebSocket"
        | "socket.io-client"
        | "socket.io-client.io"
        | "XMLHttpRequest"
        | "nodemailer.createTransport"
        | "dgram.createSocket"
        | "net.Socket"
        | "discord.js.WebhookClient"
        | "EventSource"
        | "Image"
        | "ssh2.Client"
        | "basic-ftp.Client" => E::Channel,
        "fs.writeFileSync"
        | "fs.writeFile"
        | "fs.appendFileSync"
        | "fs.appendFile"
        | "fs.promises.writeFile"
        | "fs.promises.appendFile"
        | "fs/promises.writeFile"
        | "fs/promises.appendFile"
        | "fs-extra.writeFile"
        | "fs-extra.writeFileSync"
        | "fs-extra.outputFile"
        | "fs-extra.outputFileSync"
        | "fs.copyFileSync"
        | "fs.copyFile"
        | "fs.renameSync"
        | "fs.rename"
        | "fs.symlinkSync"
        | "Deno.writeTextFile"
        | "Bun.write"
        | "fs-extra.copySync" => E::Does(ActKind::Write),
        "fs.createWriteStream" => E::Channel,
        "fs.chmodSync" | "fs.chmod" | "fs.promises.chmod" | "fs/promises.chmod" => {
            E::Does(ActKind::Chmod)
        }
        "fs.unlinkSync"
        | "fs.unlink"
        | "fs.rmSync"
        | "fs.rmdirSync"
        | "fs.rm"
        | "rimraf"
        | "rimraf.sync"
        | "fs.promises.rm"
        | "fs-extra.removeSync"
        | "fs-extra.remove"
        | "fs/promises.rm"
        | "fs.promises.unlink" => E::Does(ActKind::Delete),
        "fs.readdirSync"
        | "fs.readdir"
        | "glob.sync"
        | "glob"
        | "fast-glob.sync"
        | "fs.promises.readdir"
        | "fs/promises.readdir"
        | "globby" => E::Walk,
        "util.promisify" => E::Promisify,
        _ => return None,
    })
}

/// Methods of things that are known only by what made them.
fn method(path: &str) -> Option<Effect> {
    let (of, name) = path.rsplit_once('.')?;
    let channel = match of.strip_suffix("()") {
        Some(made) => matches!(call(made), Some(E::Channel)),
        None => false,
    };
    Some(match name {
        "get" | "post" | "put" | "request" | "patch" | "delete" | "head" | "stream"
        | "ws_connect" | "urlopen"
            if matches!(
                of,
                "requests.Session()"
                    | "requests.session()"
                    | "httpx.Client()"
                    | "httpx.AsyncClient()"
                    | "aiohttp.ClientSession()"
                    | "urllib3.PoolManager()"
                    | "axios.create()"
                    | "got.extend()"
                    | "Session()"
            ) =>
        {
            E::Does(ActKind::Net)
        }
        "open" if of.ends_with("build_opener()") => E::Does(ActKind::Net),
        "request" | "send" | "write" | "end" | "sendmail" | "send_message" | "storbinary"
        | "emit" | "execute" | "sendMail" | "putrequest" | "endheaders" | "login" | "upload"
        | "uploadFrom"
            if channel =>
        {
            E::Does(ActKind::Net)
        }
        "send" | "sendall" | "sendto" | "write"
            if of == "socket.socket()" || of == "ssl.wrap_socket()" =>
        {
            E::Does(ActKind::Net)
        }
        "connect" | "connect_ex" if of == "socket.socket()" || of == "net.Socket()" => {
            E::Does(ActKind::Connect)
        }
        _ => return None,
    })
}
