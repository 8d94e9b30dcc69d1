use std::fs;
use std::path::Path;

use crate::rookery::Place;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

/// As docs/backup.md says: whoever gets the number of an account that the restore undid is not given its sessions too.
#[test]
fn no_token_of_before_is_good_for_a_restored_folder_without_its_key() {
    let place = Place::new();
    let rookery = place.start();
    rookery.sign_up("ada");
    rookery.terminate();
    rookery.wait();
    let backup = place.path().join("backup");
    copy(&place.data(), &backup);
    let rookery = place.start();
    let (lost, token) = rookery.sign_up("bob");
    rookery.kill_9();

    fs::remove_dir_all(place.data()).unwrap();
    copy(&backup, &place.data());
    fs::remove_file(place.data().join("signing-key.pem")).unwrap();
    let rookery = place.start();
    rookery.ask("GET", "/v1/users/by-handle/ada", None, None);
    let (eve, _) = rookery.sign_up("eve");
    assert_eq!(eve, lost, "the numbers go on from the backup");
    let (status, problem) = rookery.request("GET", "/v1/users/me", Some(&token), None);
    assert_eq!(status, 401, "{problem}");
}
