//! Places of connections: how many of one address and of all, and who gives way where all are taken. Whoever has not said
//! yet what it wants (its head, or its body, is still to come, or it was served and says nothing) gives way to whoever
//! comes: the one that has waited longest, of the address itself or of the one with most who wait. So a thousand who never
//! say what they want keep nobody out, and whoever is being served stays. Knows no sockets.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// See the module.
#[derive(Debug)]
pub(super) struct Places {
    n_max: usize,
    n_max_of_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    n: usize,
    /// Of the next one that waits.
    ticket: u64,
    crowds: BTreeMap<IpAddr, Crowd>,
}

/// Those of one address.
#[derive(Debug, Default)]
struct Crowd {
    n: usize,
    /// The oldest first, each with its way to be asked to leave.
    waiting: BTreeMap<u64, Arc<Notify>>,
}

/// Who cannot come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// All places of its address are taken by connections that are being served.
    Address,
    /// All places are.
    All,
}

/// How a connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// There was room.
    Free,
    /// Another one gave way.
    InPlaceOfAnother,
}

/// A connection's place, given back when it is dropped. It waits at first.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    address: IpAddr,
    leave: Arc<Notify>,
    stand: Mutex<Stand>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Waits { ticket: u64 },
    IsServed,
}

impl Places {
    /// So many at a time, and so many of one address.
    pub(super) fn new(n_max: usize, n_max_of_address: usize) -> Arc<Self> {
        Arc::new(Self { n_max, n_max_of_address, taken: Mutex::default() })
    }

    /// A place for a connection from `address`.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<(Place, Way), Full> {
        let mut taken = self.taken();
        let n_of_address = taken.crowds.get(&address).map_or(0, |crowd| crowd.n);
        let way = if n_of_address >= self.n_max_of_address {
            taken.send_away(address).then_some(Way::InPlaceOfAnother).ok_or(Full::Address)?
        } else if taken.n >= self.n_max {
            let most = taken.crowds.iter().max_by_key(|(_, crowd)| crowd.waiting.len());
            let of = most.map(|(address, _)| *address).ok_or(Full::All)?;
            taken.send_away(of).then_some(Way::InPlaceOfAnother).ok_or(Full::All)?
        } else {
            Way::Free
        };
        taken.n += 1;
        taken.crowds.entry(address).or_default().n += 1;
        let leave = Arc::default();
        let stand = Mutex::new(Stand::Waits { ticket: taken.queue(address, &leave) });
        Ok((Place { places: Arc::clone(self), address, leave, stand }, way))
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Lets somebody wait at the end.
    fn queue(&mut self, address: IpAddr, leave: &Arc<Notify>) -> u64 {
        self.ticket += 1;
        if let Some(crowd) = self.crowds.get_mut(&address) {
            crowd.waiting.insert(self.ticket, Arc::clone(leave));
        }
        self.ticket
    }

    /// Sends the one of `address` away that has waited longest. Whether there was one.
    fn send_away(&mut self, address: IpAddr) -> bool {
        let oldest = self.crowds.get_mut(&address).and_then(|crowd| crowd.waiting.pop_first());
        let Some((_, leave)) = oldest else { return false };
        leave.notify_one();
        self.free(address);
        true
    }

    fn free(&mut self, address: IpAddr) {
        self.n = self.n.saturating_sub(1);
        if let Some(crowd) = self.crowds.get_mut(&address) {
            crowd.n = crowd.n.saturating_sub(1);
            if crowd.n == 0 {
                self.crowds.remove(&address);
            }
        }
    }
}

impl Place {
    /// Answers when another one needs the place.
    pub(super) async fn is_needed(&self) {
        self.leave.notified().await;
    }

    /// It has said what it wants.
    pub(super) fn is_served(&self) {
        let mut taken = self.places.taken();
        let mut stand = self.stand();
        if let Stand::Waits { ticket } = *stand
            && let Some(crowd) = taken.crowds.get_mut(&self.address)
            && crowd.waiting.remove(&ticket).is_some()
        {
            *stand = Stand::IsServed;
        }
    }

    /// It got what it wanted, and may want something else.
    pub(super) fn waits(&self) {
        let mut taken = self.places.taken();
        let mut stand = self.stand();
        if *stand == Stand::IsServed {
            *stand = Stand::Waits { ticket: taken.queue(self.address, &self.leave) };
        }
    }

    fn stand(&self) -> MutexGuard<'_, Stand> {
        self.stand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        let has_place = match *self.stand() {
            Stand::IsServed => true,
            // Whoever was sent away has none any more.
            Stand::Waits { ticket } => {
                let crowd = taken.crowds.get_mut(&self.address);
                crowd.is_some_and(|crowd| crowd.waiting.remove(&ticket).is_some())
            }
        };
        if has_place {
            taken.free(self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures_util::FutureExt;

    use super::*;

    /// The address with this last byte.
    fn address(n: u8) -> IpAddr {
        [10, 0, 0, n].into()
    }

    fn is_sent_away(place: &Place) -> bool {
        place.is_needed().now_or_never().is_some()
    }

    #[test]
    fn whoever_waits_longest_gives_way_to_one_of_its_address_and_the_served_stay() {
        let places = Places::new(10, 3);
        let take = |n| places.take(address(n)).map(|(place, way)| (place, way == Way::InPlaceOfAnother));
        let [served, first, second] = [1; 3].map(|n| take(n).unwrap().0);
        let other = take(2).unwrap().0;
        served.is_served();
        let (third, took_another) = take(1).unwrap();
        assert!(took_another && is_sent_away(&first));
        assert!(![&served, &second, &third, &other].into_iter().any(is_sent_away));
        // Its place is given back once.
        drop(first);
        [&second, &third].into_iter().for_each(Place::is_served);
        assert_eq!(take(1).unwrap_err(), Full::Address);
        // Served ones that wait again come behind those that waited before.
        second.waits();
        served.waits();
        let _fourth = take(1).unwrap();
        assert!(is_sent_away(&second) && !is_sent_away(&served));
    }

    #[test]
    fn where_all_is_full_the_biggest_crowd_gives_way() {
        let places = Places::new(4, 4);
        let take = |n| places.take(address(n)).map(|(place, _)| place);
        let lonely = take(1).unwrap();
        let crowd = [2; 3].map(|n| take(n).unwrap());
        let newcomer = take(3).unwrap();
        assert!(is_sent_away(&crowd[0]) && !is_sent_away(&lonely));
        for place in crowd[1..].iter().chain([&lonely, &newcomer]) {
            place.is_served();
        }
        assert_eq!(take(3).unwrap_err(), Full::All);
        drop(crowd);
        // Two of the crowd had places left.
        assert!([4, 5].map(take).iter().all(Result::is_ok));
        let taken = places.taken();
        assert_eq!((taken.n, taken.crowds.len()), (2, 2));
    }

    #[test]
    fn nothing_is_left_behind() {
        let places = Places::new(2, 2);
        for n in 0..100_u8 {
            let (place, _) = places.take(address(n % 3)).unwrap();
            match n % 4 {
                0 => place.is_served(),
                1 => {
                    place.is_served();
                    place.waits();
                }
                2 => std::mem::forget(places.take(address(9)).unwrap()),
                _ => {}
            }
        }
        let taken = places.taken();
        let n: usize = taken.crowds.values().map(|crowd| crowd.n).sum();
        let n_waiting: usize = taken.crowds.values().map(|crowd| crowd.waiting.len()).sum();
        // The one that was forgotten last.
        assert_eq!((taken.n, n, n_waiting), (1, 1, 1), "{taken:?}");
    }
}
