# usage: ruby run.rb load|call|run LIST MILLISECONDS GEM FOLDER REQUIRE_PATHS
#
# Goes through LIST ({"entries": [{"index": 0, "name": "x"}, ...]}) in order and tells on descriptor 3, a line
# each: `start INDEX`, `done INDEX TOKEN`, `fail INDEX TOKEN TEXT`, and `end`; TOKEN is the entry's, if it has one.
#   load  requires each feature
#   call  requires it and calls what it defines with inert arguments; MILLISECONDS bounds all calls together
#   run   starts a program (`run PROGRAM ARGUMENT...`); MILLISECONDS bounds each

# Loaded code may change anything, so whatever is used later is taken now, in variables that nothing else sees.
require "json"
require "timeout"

mode, listing, milliseconds, gem_name, folder, paths = ARGV
entries = JSON.parse(File.read(listing))["entries"]
# Its tokens show that a line is not the package's.
File.unlink(listing)
ARGV.clear
$0 = "ruby"
seconds = milliseconds.to_i / 1000.0

# Moved away from 3 so that code that closes low descriptors does not touch it.
given = IO.for_fd(3)
report = given.dup
given.close
report.sync = true
write = report.method(:syswrite)
main_pid = Process.pid
pid = Process.method(:pid)
leave = Process.method(:exit!)
now = lambda { |clock = Process.method(:clock_gettime), kind = Process::CLOCK_MONOTONIC| clock.call(kind) }
nap = Kernel.method(:sleep)
bounded = Timeout.method(:timeout)
threads = Thread.method(:list)
me = Thread.current
load_feature = method(:require)

tell = lambda do |line|
  write.call(line.scrub("?") + "\n")
rescue SystemCallError, IOError
  nil
end

# One line, whatever was raised; showing it may run code and raise again.
describe = lambda do |error|
  "#{error.class}: #{error.message}".scrub("?")[0, 300].gsub(/[^[:print:]]/, " ")
rescue Exception
  "raised something that cannot be shown"
end

# Children do not report, and end where they would come back into this list.
module Process
  class << self
    def exit!(status = false)
      raise SystemExit, "asked to exit"
    end

    # It would end this process and go on in a child; what is asked to go on, goes on here.
    def daemon(*)
      0
    end
  end
end
module Kernel
  def exit!(status = false)
    raise SystemExit, "asked to exit"
  end
end

begin
  gem gem_name
rescue Exception
  # It could not be installed whole; its files are there all the same.
  paths.split(":").each { |path| $LOAD_PATH.unshift(File.join(folder, path)) }
end

late = Class.new(Exception)

# Answers everything, leads nowhere: what it gives is inert up to a depth, so that following it ends.
inert = Class.new(BasicObject) do
  def initialize(depth = 3)
    @depth = depth
  end

  def method_missing(_name, *_arguments, **_named)
    @depth > 0 ? ::Object.instance_method(:class).bind_call(self).new(@depth - 1) : nil
  end

  def respond_to_missing?(_name, _all = false)
    true
  end

  def respond_to?(name, _all = false)
    ![:to_ary, :to_hash, :to_proc, :to_io, :to_path, :to_open].include?(name)
  end

  def to_s = ""
  def to_str = ""
  def inspect = ""
  def to_i = 0
  def to_int = 0
  def to_f = 0.0
  def to_a = []
  def to_h = {}
  def nil? = false
  def is_a?(_class) = false
  def kind_of?(_class) = false
  def instance_of?(_class) = false
  def hash = 0
  def each(*) = self
  def size = 0
  def length = 0
  def empty? = false
  def coerce(other) = [other, 0]
  def <=>(_other) = 0
end
inert.define_method(:class) { inert }

never = %i[exit exit! quit abort kill fork irb pry byebug debugger run_forever allocate new inspect to_s method_missing
           respond_to? inherited included extended prepended]

arguments = lambda do |method|
  positional, named = [], {}
  method.parameters.each do |kind, name|
    positional << inert.new if kind == :req
    named[name] = inert.new if kind == :keyreq
  end
  # Native code that is given odd objects may take the whole process with it.
  positional.fill(nil) unless method.source_location
  [positional, named]
end

left = seconds
patience = 1.0
attempt = lambda do |callable, described = callable|
  return nil if left <= 0

  # A call that really does something gets the long time until calls that block have used it up.
  limit = patience > 0 ? 1.0 : 0.25
  began = now.call
  begin
    positional, named = arguments.call(described)
    bounded.call(limit, late) { callable.call(*positional, **named) }
  rescue late
    patience -= limit
    nil
  rescue Exception
    nil
  ensure
    leave.call(0) if pid.call != main_pid
    left -= now.call - began
  end
end

each_module = ObjectSpace.method(:each_object)
known = {}.compare_by_identity
each_module.call(Module) { |found| known[found] = true }
main_methods = Object.private_instance_methods(false)
called = {}

ours = lambda do |location|
  location && location[0].to_s.start_with?(folder)
end

call_all = lambda do |feature|
  load_feature.call(feature)
  fresh = []
  each_module.call(Module) { |found| fresh << found unless known[found] || found.singleton_class? }
  targets = []
  (Object.private_instance_methods(false) - main_methods).each do |name|
    function = Object.new.method(name)
    targets << function if ours.call(function.source_location)
  end
  fresh.each do |found|
    name = Module.instance_method(:name).bind_call(found)
    next unless name

    here = ours.call(Object.const_source_location(name))
    found.singleton_methods(false).first(50).each do |method|
      function = found.method(method)
      at = function.source_location
      targets << function if at ? ours.call(at) : here
    end
    targets << found if here && found.is_a?(Class)
  rescue Exception
    next
  end
  targets.each do |target|
    unless target.is_a?(Class)
      key = [target.receiver.class, target.owner, target.name]
      next if called[key] || never.include?(target.name)

      called[key] = true
      attempt.call(target)
      next
    end
    next if called[target]

    called[target] = true
    next unless target.respond_to?(:new)

    # What `new` takes is what `initialize` says.
    made = attempt.call(target.method(:new), target.instance_method(:initialize))
    next if made.nil?

    target.public_instance_methods(false).first(50).each do |name|
      next if never.include?(name)

      method = begin
        target.instance_method(name).bind(made)
      rescue Exception
        next
      end
      attempt.call(method)
    end
  end
  raise "the time for calls was used up" if left <= 0
end

spawn_program = Process.method(:spawn)
wait_for = Process.method(:wait)
kill = Process.method(:kill)
binaries = Gem.bindir
under_way = []
waiting = entries.map { |entry| entry["name"] }
start = lambda do |text|
  _how, program, *rest = text.split(" ")
  child = spawn_program.call(File.join(binaries, program), *rest, in: File::NULL, pgroup: true)
  [child, now.call + seconds]
rescue SystemCallError => error
  [error, 0]
end
# Some are started ahead of the one that is asked for, because they mostly wait.
run = lambda do |_name|
  under_way << start.call(waiting.shift) while !waiting.empty? && under_way.size < 3
  child, ends = under_way.shift
  raise child if child.is_a?(Exception)

  loop do
    return if wait_for.call(child, Process::WNOHANG)
    break if now.call >= ends

    nap.call(0.01)
  end
  kill.call(:KILL, -child)
  wait_for.call(child)
  raise "was still running after #{milliseconds} ms"
end

way =
  case mode
  when "run" then run
  when "call"
    # What methods print when they are called is of no use, and may be endless.
    $stdout.reopen(File::NULL, "w")
    $stderr.reopen(File::NULL, "w")
    call_all
  else load_feature
  end

entries.each do |entry|
  token = entry.delete("token").to_s
  token = " #{token}" unless token.empty?
  tell.call("start #{entry["index"]}")
  line = begin
    way.call(entry["name"])
    "done #{entry["index"]}#{token}"
  rescue Exception => error
    "fail #{entry["index"]}#{token} #{describe.call(error)}"
  end
  # A child that came back out of the package's code.
  leave.call(0) if pid.call != main_pid
  tell.call(line)
end

# Loading starts threads on purpose; calls with inert arguments often leave something that never ends.
ends = now.call + { "load" => 3.0, "call" => 1.0 }.fetch(mode, 0.0)
nap.call(0.02) while now.call < ends && threads.call.any? { |thread| thread != me && thread.alive? }
tell.call("end")
# Functions registered for the end run now.
