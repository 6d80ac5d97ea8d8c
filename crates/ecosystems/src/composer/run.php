<?php
// usage: php run.php load|call|run LIST MILLISECONDS FOLDER AUTOLOADER
//
// Goes through LIST ({"entries": [{"index": 0, "name": "x"}, ...]}) in order and tells on descriptor 3, a line
// each: `start INDEX`, `done INDEX TOKEN`, `fail INDEX TOKEN TEXT`, and `end`; TOKEN is the entry's, if it has one.
//   load  includes each file of FOLDER in a process of its own, after the autoloader
//   call  does the same and calls what the file defines with inert arguments; MILLISECONDS bounds all calls together
//   run   starts a program (`run FILE ARGUMENT...`); MILLISECONDS bounds each
//
// No code of the package runs in this process: a file that ends its process, or defines what another defines too,
// ends its own. With `one` instead of LIST, it is such a process: php run.php load|call one MILLISECONDS FILE AUTOLOADER

/** Starts one entry; what it prints is this process' output, or nothing where functions are called. */
function start(string $mode, string $name, string $folder, string $autoloader, int $left): array
{
    if ($mode === 'run') {
        $words = explode(' ', $name);
        $command = array_merge([PHP_BINARY, place($folder, $words[1])], array_slice($words, 2));
    } else {
        $command = [PHP_BINARY, __FILE__, $mode, 'one', (string) max($left, 1), place($folder, $name), $autoloader];
    }
    $nowhere = ['file', '/dev/null', 'w'];
    $quiet = $mode === 'call';
    $pipes = [];
    $child = proc_open($command, [
        0 => ['file', '/dev/null', 'r'], 1 => $quiet ? $nowhere : STDOUT, 2 => $quiet ? $nowhere : STDERR,
    ], $pipes);
    return [$child, hrtime(true)];
}

/** Waits for it; what went wrong, in one line. */
function finish(array $started, int $milliseconds): ?string
{
    [$child, $since] = $started;
    if (!is_resource($child)) {
        return 'could not be started';
    }
    while (($state = proc_get_status($child))['running']) {
        if ($milliseconds > 0 && hrtime(true) - $since > $milliseconds * 1000000) {
            proc_terminate($child, 9);
            proc_close($child);
            return "was still running after $milliseconds ms";
        }
        usleep(5000);
    }
    proc_close($child);
    if ($state['signaled']) {
        return 'ended by signal ' . $state['termsig'];
    }
    return $state['exitcode'] === 0 ? null : 'ended with status ' . $state['exitcode'];
}

/** A file of the package; one that could not be installed lies in the top folder of its archive. */
function place(string $folder, string $file): string
{
    $path = "$folder/$file";
    return file_exists($path) ? $path : (glob("$folder/*/$file", GLOB_NOSORT)[0] ?? $path);
}

/** Includes a file, and calls what it defines. */
function one(string $mode, int $milliseconds, string $file, string $autoloader): void
{
    $_SERVER['argv'] = $GLOBALS['argv'] = [$file];
    $_SERVER['argc'] = $GLOBALS['argc'] = 1;
    if (is_file($autoloader)) {
        require $autoloader;
    }
    $functions = get_defined_functions()['user'];
    $classes = array_merge(get_declared_classes(), get_declared_traits());
    try {
        (static function (string $file): void {
            include_once $file;
        })($file);
    } catch (Throwable $error) {
        fwrite(STDERR, get_class($error) . ': ' . $error->getMessage() . "\n");
        exit(1);
    }
    if ($mode !== 'call') {
        return;
    }
    $caller = new CallerOfFile($milliseconds);
    foreach (array_diff(get_defined_functions()['user'], $functions) as $name) {
        $caller->call(new ReflectionFunction($name), null);
    }
    foreach (get_declared_classes() as $name) {
        $class = new ReflectionClass($name);
        // The autoloader may have loaded it already.
        if ($class->getFileName() === realpath($file)) {
            $caller->callClass($class);
        }
    }
}

/** Answers everything, leads nowhere. */
class InertValue implements ArrayAccess, IteratorAggregate, Countable
{
    public function __construct(private int $depth = 3)
    {
    }

    private function next(): ?self
    {
        return $this->depth > 0 ? new self($this->depth - 1) : null;
    }

    public function __call(string $name, array $given): ?self
    {
        return $this->next();
    }

    public function __get(string $name): ?self
    {
        return $this->next();
    }

    public function __isset(string $name): bool
    {
        return true;
    }

    public function __invoke(): ?self
    {
        return $this->next();
    }

    public function __toString(): string
    {
        return '';
    }

    public function offsetExists(mixed $key): bool
    {
        return true;
    }

    public function offsetGet(mixed $key): mixed
    {
        return $this->next();
    }

    public function offsetSet(mixed $key, mixed $value): void
    {
    }

    public function offsetUnset(mixed $key): void
    {
    }

    public function getIterator(): Iterator
    {
        return new EmptyIterator();
    }

    public function count(): int
    {
        return 0;
    }
}

class CallTookTooLong extends Error
{
}

class CallerOfFile
{
    private float $until;
    private const NEVER = ['exit', 'kill', 'terminate'];

    public function __construct(int $milliseconds)
    {
        $this->until = microtime(true) + $milliseconds / 1000;
        if (function_exists('pcntl_async_signals')) {
            pcntl_async_signals(true);
            pcntl_signal(SIGALRM, static function (): void {
                throw new CallTookTooLong('took too long');
            });
        }
    }

    public function callClass(ReflectionClass $class): void
    {
        $methods = $class->getMethods(ReflectionMethod::IS_PUBLIC);
        $own = array_filter($methods, static fn ($method) => $method->class === $class->name);
        $own = array_slice(array_filter($own, static fn ($method) => !$method->isAbstract()), 0, 50);
        foreach ($own as $method) {
            if ($method->isStatic()) {
                $this->call($method, null);
            }
        }
        if (!$class->isInstantiable()) {
            return;
        }
        $made = $this->make($class);
        if ($made === null) {
            return;
        }
        foreach ($own as $method) {
            if (!$method->isStatic() && !$method->isConstructor() && !$method->isDestructor()) {
                $this->call($method, $made);
            }
        }
    }

    private function make(ReflectionClass $class): ?object
    {
        return $this->attempt(function () use ($class) {
            $constructor = $class->getConstructor();
            return $class->newInstanceArgs($constructor ? $this->arguments($constructor) : []);
        });
    }

    public function call(ReflectionFunctionAbstract $function, ?object $object): void
    {
        if (in_array(strtolower($function->getName()), self::NEVER, true)) {
            return;
        }
        $this->attempt(function () use ($function, $object) {
            $given = $this->arguments($function);
            $result = $function instanceof ReflectionMethod
                ? $function->invokeArgs($object, $given)
                : $function->invokeArgs($given);
            if ($result instanceof Generator) {
                $result->current();
            }
            return null;
        });
    }

    private function attempt(callable $call): mixed
    {
        if (microtime(true) >= $this->until) {
            return null;
        }
        try {
            function_exists('pcntl_alarm') && pcntl_alarm(1);
            return $call();
        } catch (Throwable $error) {
            return null;
        } finally {
            function_exists('pcntl_alarm') && pcntl_alarm(0);
        }
    }

    /** Values for the parameters that have no default. */
    private function arguments(ReflectionFunctionAbstract $function): array
    {
        $given = [];
        foreach ($function->getParameters() as $parameter) {
            if ($parameter->isOptional()) {
                break;
            }
            $given[] = $this->value($parameter->getType(), $function);
        }
        return $given;
    }

    private function value(?ReflectionType $type, ReflectionFunctionAbstract $function): mixed
    {
        if ($type instanceof ReflectionUnionType) {
            // The first that something can be made of.
            foreach ($type->getTypes() as $one) {
                $value = $this->value($one, $function);
                if ($value !== null) {
                    return $value;
                }
            }
            return null;
        }
        if (!$type instanceof ReflectionNamedType) {
            return new InertValue();
        }
        $plain = ['string' => '', 'int' => 1, 'float' => 1.0, 'bool' => true, 'false' => false, 'true' => true,
                  'array' => [], 'iterable' => [], 'null' => null];
        $name = $type->getName();
        if (in_array($name, ['self', 'static'], true) && $function instanceof ReflectionMethod) {
            $name = $function->class;
        }
        if (array_key_exists($name, $plain)) {
            return $plain[$name];
        }
        if (in_array($name, ['mixed', 'object', 'callable', 'Traversable', 'Stringable', 'ArrayAccess', 'Countable'], true)) {
            return new InertValue();
        }
        if ($name === 'Closure') {
            return static fn () => null;
        }
        if ($type->allowsNull() || !class_exists($name)) {
            return null;
        }
        return (new ReflectionClass($name))->newInstanceWithoutConstructor();
    }
}

// Last, because classes are declared only when they are reached.
[, $mode, $listing, $milliseconds, $folder, $autoloader] = $argv;

if ($listing === 'one') {
    one($mode, (int) $milliseconds, $folder, $autoloader);
    exit(0);
}

$entries = json_decode(file_get_contents($listing), true)['entries'];
// Its tokens show that a line is not the package's.
unlink($listing);
$report = fopen('php://fd/3', 'w');
$left = (int) $milliseconds;
$waiting = $entries;
$under_way = [];

foreach ($entries as $entry) {
    $index = $entry['index'];
    $token = isset($entry['token']) ? ' ' . $entry['token'] : '';
    // Some are started ahead of the one that is asked for, because they mostly wait.
    while ($waiting && count($under_way) < ($mode === 'call' ? 1 : 3)) {
        $under_way[] = start($mode, array_shift($waiting)['name'], $folder, $autoloader, $left);
    }
    fwrite($report, "start $index\n");
    $began = hrtime(true);
    $problem = finish(array_shift($under_way), $mode === 'run' ? (int) $milliseconds : 0);
    if ($mode === 'call') {
        $left -= intdiv(hrtime(true) - $began, 1000000);
        if ($left <= 0 && $problem === null) {
            $problem = 'the time for calls was used up';
        }
    }
    $line = $problem === null ? "done $index$token" : "fail $index$token $problem";
    fwrite($report, $line . "\n");
}
fwrite($report, "end\n");
